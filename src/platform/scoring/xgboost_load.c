/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/scoring/xgboost_load.h"

#include "base/library.h"
#include "base/str.h"

err xgboost_load(const char *path, struct xgboost_functions *ret_functions)
{
    static const char *const names[] = { "libxgboost.so.0", "libxgboost.so", NULL };
    struct xgboost_functions functions;
    const char *missing = NULL;
    int patch;
    void *library = library_open(path, names);
    if (!library)
        return ERR(ERR_UNSUPPORTED,
                   "libxgboost is needed to run models of xgboost and cannot be loaded%s%s "
                   "(apt-get install libxgboost0, or SKERRY_XGBOOST_LIB=/path/of/libxgboost.so)",
                   path[0] ? " from " : "", path);
#define XGBOOST_FIND(result, name, arguments)                   \
    if (!library_find(library, #name, (void *)&functions.name)) \
        missing = #name;
    XGBOOST_FUNCTIONS(XGBOOST_FIND)
#undef XGBOOST_FIND
    if (missing)
        return ERR(ERR_UNSUPPORTED, "the installed libxgboost has no %s: 1.7 or later is needed",
                   missing);
    functions.XGBoostVersion(&functions.major, &functions.minor, &patch);
    *ret_functions = functions;
    return OK;
}

err xgboost_failed(const struct xgboost_functions *lib, enum err_code code, const char *what)
{
    str text = str_of(lib->XGBGetLastError());
    ptrdiff_t at = str_find(text, STR("] "));
    if (at >= 0 && at < 20)
        text = str_sub(text, (size_t)at + 2, text.len);
    at = str_find(text, STR(": "));
    str line = str_split(&text, '\n');
    if (at > 0 && (size_t)at < line.len && str_contains(str_sub(line, 0, (size_t)at), STR(".cc")))
        line = str_sub(line, (size_t)at + 2, line.len);
    return ERR(code, "%s: xgboost says: %.*s", what, STR_ARG(str_sub(str_trim(line), 0, 150)));
}
