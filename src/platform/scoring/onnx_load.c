/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/scoring/onnx_load.h"

#include <string.h>

#include "base/library.h"

enum { API_VERSION = 7 }; /* of onnxruntime 1.7; every later one gives it */

struct api_base {
    const void *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

err onnx_load(const char *path, struct onnx_functions *ret_functions)
{
    static const char *const names[] = { "libonnxruntime.so.1", "libonnxruntime.so", NULL };
    const struct api_base *(*get_base)(void);
    void *library = library_open(path, names);
    if (!library)
        return ERR(ERR_UNSUPPORTED,
                   "libonnxruntime is needed to run models of onnx and cannot be loaded%s%s "
                   "(SKERRY_ONNX_LIB=/path/of/libonnxruntime.so; pip's onnxruntime has it in "
                   "onnxruntime/capi)",
                   path[0] ? " from " : "", path);
    if (!library_find(library, "OrtGetApiBase", (void *)&get_base))
        return ERR(ERR_UNSUPPORTED, "%s is no libonnxruntime: it has no OrtGetApiBase",
                   path[0] ? path : names[0]);
    const void *const *table = get_base()->get_api(API_VERSION);
    if (!table)
        return ERR(ERR_UNSUPPORTED, "the installed libonnxruntime is older than 1.7");
#define ONNX_TAKE(place, result, name, arguments) \
    memcpy((void *)&ret_functions->name, &table[place], sizeof ret_functions->name);
    ONNX_FUNCTIONS(ONNX_TAKE)
#undef ONNX_TAKE
    return OK;
}
