/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_header.c -- include/skerry/plugin.h inside the program, so that `skerry plugin build`
 * needs no installed headers. The build names the file in PLUGIN_HEADER_FILE. */
#include <stddef.h>

extern const char plugin_header_text[], plugin_header_end[];
extern const size_t plugin_header_bytes;

__asm__(".pushsection .rodata\n"
        ".global plugin_header_text\n"
        ".global plugin_header_end\n"
        ".global plugin_header_bytes\n"
        "plugin_header_text:\n"
        ".incbin \"" PLUGIN_HEADER_FILE "\"\n"
        "plugin_header_end:\n"
        ".balign 8\n"
        "plugin_header_bytes: .quad plugin_header_end - plugin_header_text\n"
        ".popsection\n");
