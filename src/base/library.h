/* SPDX-License-Identifier: GPL-3.0-or-later */
/* library.h -- shared libraries that are loaded when they are first needed.
 *
 * What most installations never use costs them nothing, and what is not installed is a sentence
 * instead of a program that does not start. Loaded libraries stay: they start threads and leave
 * exit handlers behind.
 */
#ifndef SKERRY_BASE_LIBRARY_H
#define SKERRY_BASE_LIBRARY_H

#include <stdbool.h>

/* Loads `path`, or when that is empty the first of the NULL-ended `names` that can be loaded. NULL
 * when none can. Any thread; names are not looked at where there is a path. */
void *library_open(const char *path, const char *const *names);

/* Puts the address of a function into the function pointer that ret_function points to, without a
 * cast that C does not define. False, and NULL there, when the library has none of that name. */
bool library_find(void *library, const char *name, void *ret_function);

#endif
