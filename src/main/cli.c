/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli.c -- finds a verb in the app tables and runs it; help is the same tables, printed.
 *
 * "skerry VERB" is a platform verb, "skerry APP VERB" or "skerry VERB APP" an app's. A verb name
 * that only one app has may be used without the app: "skerry uci".
 */
#include <stdio.h>
#include <string.h>

#include "main/main.h"
#include "platform/app/app.h"

static const struct verb *find_verb(const struct app *app, const char *name)
{
    for (const struct verb *v = app->verbs; v && v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

static const struct app *find_app(const char *name)
{
    for (size_t i = 0; app_registry[i]; i++)
        if (app_registry[i] != &app_core && strcmp(app_registry[i]->name, name) == 0)
            return app_registry[i];
    return NULL;
}

/* The verb of that name in all apps, if just one has it. */
static const struct verb *find_unique(const char *name)
{
    const struct verb *found = NULL;
    for (size_t i = 0; app_registry[i]; i++) {
        const struct verb *v = find_verb(app_registry[i], name);
        if (!v || v->needs_app_name)
            continue;
        if (found)
            return NULL;
        found = v;
    }
    return found;
}

/* Up to where a sentence may end, in one line: the rest is in --help. */
static void print_first_sentence(const char *help)
{
    int brackets = 0;
    for (const char *c = help; *c; c++) {
        brackets += (*c == '(') - (*c == ')');
        if (!brackets && strchr(".:;", *c) && (c[1] == ' ' || c[1] == '\n' || !c[1]))
            break;
        putchar(*c == '\n' ? ' ' : *c);
    }
    puts(".");
}

static void print_app(const struct app *app)
{
    printf("\n%s: %s\n", app->title, app->summary);
    for (const struct verb *v = app->verbs; v && v->name; v++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", app == &app_core ? "" : app->name,
                 app == &app_core ? "" : " ", v->name);
        printf("  skerry %-22s ", name);
        print_first_sentence(v->help);
    }
}

static void print_help(void)
{
    printf("Skerry %s: the machine-learning loop on one small machine.\n\n", SKERRY_VERSION);
    printf("  skerry serve                  Runs the server: HTTP API, scheduler, workers.\n");
    printf("  skerry work                   Does jobs for a server on another machine.\n");
    printf("  skerry help [APP] [VERB]      Explains, with examples. Also: skerry ... --help\n");
    printf("  skerry version                Version, commit and what this build stands on.\n");
    for (size_t i = 0; app_registry[i]; i++)
        print_app(app_registry[i]);
    printf(
        "\nEvery verb takes --json. Exit codes: 0 done, 2 bad input, 3 not allowed, 4 not "
        "found, 5 conflict,\n"
        "6 too big, 7 stopped, 8 busy or timed out, 9 another service failed, 10 disk, 11 memory "
        "cap,\n12 damaged data, 13 not in this build, 70 a mistake of ours.\n");
}

static void print_verb(const struct verb *v)
{
    printf("usage: %s\n\n%s\n", v->usage, v->help);
}

/* Finds what argv[first...] names. *ret_used is how many words that took. */
static err resolve(int argc, char **argv, int first, const struct verb **ret_verb, int *ret_used)
{
    const struct app *app = find_app(argv[first]);
    const struct app *second = !app && first + 1 < argc ? find_app(argv[first + 1]) : NULL;
    if (second && find_verb(second, argv[first])) { /* import mlflow */
        *ret_verb = find_verb(second, argv[first]);
        *ret_used = 2;
        return OK;
    }
    if (!app) {
        const struct verb *v = find_verb(&app_core, argv[first]);
        v = v ? v : find_unique(argv[first]);
        if (!v)
            return ERR(ERR_INVALID, "there is no app or verb '%s'; 'skerry help' lists them",
                       argv[first]);
        *ret_verb = v;
        *ret_used = 1;
        return OK;
    }
    if (first + 1 >= argc || argv[first + 1][0] == '-')
        return ERR(ERR_INVALID, "app %s needs a verb; 'skerry help %s' lists them", app->name,
                   app->name);
    *ret_verb = find_verb(app, argv[first + 1]);
    *ret_used = 2;
    if (!*ret_verb)
        return ERR(ERR_INVALID, "app %s has no verb '%s'; 'skerry help %s' lists them", app->name,
                   argv[first + 1], app->name);
    return OK;
}

static bool is_word(const char *arg, const char *a, const char *b)
{
    return strcmp(arg, a) == 0 || strcmp(arg, b) == 0;
}

static err help(int argc, char **argv)
{
    const struct verb *v = NULL;
    int used;
    if (argc < 3 || is_word(argv[2], "--help", "-h")) {
        print_help();
        return OK;
    }
    const struct app *app = find_app(argv[2]);
    if (app && argc < 4) {
        print_app(app);
        return OK;
    }
    TRY(resolve(argc, argv, 2, &v, &used));
    print_verb(v);
    return OK;
}

static err version(int argc, char **argv)
{
    if (argc > 2 && is_word(argv[2], "--help", "-h")) {
        printf(
            "usage: skerry version [--json]\n\nPrints the version and the commit that this build "
            "is of.\n\n    skerry version --json\n");
        return OK;
    }
    if (argc > 3 || (argc == 3 && strcmp(argv[2], "--json") != 0))
        return ERR(ERR_INVALID, "'%s': usage: skerry version [--json]", argv[argc - 1]);
    if (argc == 3)
        printf("{\"version\":\"%s\",\"commit\":\"%s\"}\n", SKERRY_VERSION, SKERRY_COMMIT);
    else
        printf("skerry %s (%s)\n", SKERRY_VERSION, SKERRY_COMMIT);
    return OK;
}

err cli_run(int argc, char **argv)
{
    if (argc < 2 || is_word(argv[1], "--help", "-h")) {
        print_help();
        return OK;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (is_word(argv[1], "version", "--version"))
        return version(argc, argv);

    const struct verb *v = NULL;
    int used;
    const struct app *app = find_app(argv[1]);
    if (app && argc == 3 && is_word(argv[2], "--help", "-h")) {
        print_app(app);
        return OK;
    }
    TRY(resolve(argc, argv, 1, &v, &used));
    struct verb_args args = { .values = argv + 1 + used };
    for (int i = 1 + used; i < argc; i++) {
        if (is_word(argv[i], "--help", "-h")) {
            print_verb(v);
            return OK;
        }
        if (strcmp(argv[i], "--json") == 0)
            args.json = true;
        else
            args.values[args.count++] = argv[i];
    }
    if (v->takes_nothing && args.count)
        return ERR(ERR_INVALID, "'%s' is one word too many: usage: %s", args.values[0], v->usage);
    if (v->needs_no_house)
        return v->run(NULL, &args);
    struct house *h = NULL;
    TRY(house_open(&(struct house_options){ .mode = HOUSE_VERB, .quiet = true }, &h));
    err e = v->run(h, &args);
    house_close(h);
    return e;
}
