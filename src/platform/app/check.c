/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check.c -- are the app tables well-formed? Run at every start and by a unit test, so that a wrong
 * row stops the program with a sentence instead of misbehaving later. */
#include <string.h>

#include "base/map.h"
#include "platform/app/app.h"
#include "platform/serving/serving.h"

enum { NAMES_MAX = 65536 };

static err add_name(struct map *seen, const char *what, const char *name)
{
    union map_value *value;
    bool is_new;
    TRY(map_put(seen, str_of(name), &value, &is_new));
    if (!is_new)
        return ERR(ERR_CONFLICT, "%s '%s' stands in the app tables twice", what, name);
    return OK;
}

static bool has_shape(const char *name, const char *extra)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr(extra, *c)))
            return false;
    return name[0] != '\0';
}

static bool is_own_path(const struct app *app, const char *path)
{
    if (strncmp(path, "/v1/", 4) == 0)
        return true;
    for (const char *const *p = app->prefixes; p && *p; p++)
        if (strncmp(path, *p, strlen(*p)) == 0)
            return true;
    return false;
}

static err check_routes(const struct app *app)
{
    for (const struct route *r = app->routes; r && r->method; r++) {
        if (r->access == ACCESS_UNSET)
            return ERR(ERR_INVALID, "route %s %s of app %s does not state its access", r->method,
                       r->path, app->name);
        if (!r->summary || !r->summary[0])
            return ERR(ERR_INVALID, "route %s %s of app %s has no summary", r->method, r->path,
                       app->name);
        if (!r->run)
            return ERR(ERR_INVALID, "route %s %s of app %s has no handler", r->method, r->path,
                       app->name);
        if (r->path[0] != '/')
            return ERR(ERR_INVALID, "route '%s' of app %s does not start with /", r->path,
                       app->name);
        /* Apps live in /v1 and below the prefixes that they state, where they speak a protocol of
         * somebody else. Aliases are free: they are the literal paths of the seeds. */
        if (app != &app_core && !is_own_path(app, r->path))
            return ERR(ERR_INVALID, "route '%s' of app %s is outside /v1/ and its prefixes",
                       r->path, app->name);
        if (r->is_inline && r->is_upload)
            return ERR(ERR_INVALID, "route '%s' of app %s cannot be inline and an upload", r->path,
                       app->name);
    }
    return OK;
}

static err check_migrations(const struct app *app)
{
    int expected = 1;
    for (const struct store_migration *m = app->migrations; m && m->number; m++, expected++)
        if (m->number != expected || !m->sql)
            return ERR(ERR_INVALID, "migration %d of app %s: step %d was expected, with SQL",
                       m->number, app->name, expected);
    return OK;
}

static const struct metric_family *find_metric(const struct app *const *apps, const char *name)
{
    for (size_t i = 0; apps[i]; i++)
        for (const struct metric_family *f = apps[i]->metrics; f && f->name; f++)
            if (strcmp(f->name, name) == 0)
                return f;
    return NULL;
}

static bool has_job(const struct app *const *apps, const char *name)
{
    for (size_t i = 0; apps[i]; i++)
        for (const struct job_kind *k = apps[i]->jobs; k && k->name; k++)
            if (strcmp(k->name, name) == 0)
                return true;
    return false;
}

/* What a row refers to by name must exist. */
static err check_references(const struct app *const *apps, const struct app *app)
{
    for (const struct job_schedule *s = app->schedules; s && s->name; s++)
        if (!has_job(apps, s->kind))
            return ERR(ERR_INVALID, "schedule %s of app %s: there is no job kind '%s'", s->name,
                       app->name, s->kind);
    for (const struct dataset_kind *k = app->dataset_kinds; k && k->name; k++)
        if (!has_job(apps, k->build_job))
            return ERR(ERR_INVALID, "dataset kind %s: there is no job kind '%s'", k->name,
                       k->build_job);
    for (const struct model_kind *k = app->model_kinds; k && k->name; k++)
        if (!has_job(apps, k->train_job) || !has_job(apps, k->evaluate_job))
            return ERR(ERR_INVALID, "model kind %s: job kind '%s' or '%s' is missing", k->name,
                       k->train_job, k->evaluate_job);
    for (const struct job_kind *k = app->jobs; k && k->name; k++)
        if (k->metric && !find_metric(apps, k->metric))
            return ERR(ERR_INVALID, "job kind %s: there is no metric family '%s'", k->name,
                       k->metric);
    for (const struct route *r = app->routes; r && r->method; r++)
        if (r->metric && !find_metric(apps, r->metric))
            return ERR(ERR_INVALID, "route %s %s: there is no metric family '%s'", r->method,
                       r->path, r->metric);
    return OK;
}

/* An indented line that calls the program. */
static bool has_example(const char *help)
{
    for (const char *line = strstr(help, "\n  "); line; line = strstr(line + 1, "\n  ")) {
        const char *call = strstr(line, "skerry "), *end = strchr(line + 1, '\n');
        if (call && (!end || call < end))
            return true;
    }
    return false;
}

static err check_named_rows(const struct app *app, struct map *seen)
{
    for (const struct job_kind *k = app->jobs; k && k->name; k++) {
        TRY(add_name(seen, "job kind", k->name));
        if (!k->help || !k->run || !k->component || !has_shape(k->name, "._-"))
            return ERR(ERR_INVALID,
                       "job kind '%s' of app %s needs help, run, component and a lower-case name",
                       k->name, app->name);
    }
    for (const struct setting *s = app->settings; s && s->name; s++) {
        TRY(add_name(seen, "setting", s->name));
        if (s->type == SETTING_UNSET || !s->fallback || !s->help)
            return ERR(ERR_INVALID, "setting '%s' of app %s needs a type, a default and help",
                       s->name, app->name);
    }
    for (const struct metric_family *f = app->metrics; f && f->name; f++) {
        TRY(add_name(seen, "metric family", f->name));
        if (f->type == METRIC_UNSET || !f->help || !has_shape(f->name, "_:"))
            return ERR(ERR_INVALID,
                       "metric family '%s' of app %s needs a type, help and a lower-case name",
                       f->name, app->name);
    }
    for (const struct page *p = app->pages; p && p->path; p++) {
        TRY(add_name(seen, "page", p->path));
        if (strncmp(p->path, "/ui/", 4) != 0 || !p->title || !p->title[0])
            return ERR(ERR_INVALID, "page '%s' of app %s needs a path below /ui/ and a title",
                       p->path, app->name);
    }
    for (const struct verb *v = app->verbs; v && v->name; v++) {
        if (!v->usage || !v->help || !v->run)
            return ERR(ERR_INVALID, "verb '%s' of app %s needs usage, help and run", v->name,
                       app->name);
        if (!has_example(v->help))
            return ERR(ERR_INVALID,
                       "the help of verb '%s' of app %s needs an example: a line of its own, "
                       "indented, with skerry in it",
                       v->name, app->name);
    }
    return OK;
}

static bool has_setting(const struct app *const *apps, const char *name)
{
    for (size_t i = 0; apps[i]; i++)
        for (const struct setting *s = apps[i]->settings; s && s->name; s++)
            if (strcmp(s->name, name) == 0)
                return s->type == SETTING_REAL;
    return false;
}

static int count_families(const struct app *const *apps, const char *name)
{
    int count = 0;
    for (size_t i = 0; apps[i]; i++)
        for (const struct serving_family *f = apps[i]->families; f && f->name; f++)
            count += strcmp(f->name, name) == 0;
    return count;
}

static err check_families(const struct app *const *apps, const struct app *app)
{
    for (const struct serving_family *f = app->families; f && f->name; f++) {
        if (count_families(apps, f->name) > 1)
            return ERR(ERR_CONFLICT, "family '%s' stands in the app tables twice", f->name);
        if (!has_shape(f->name, "_-") || !f->model || !f->help || !f->load || !f->drop ||
            !f->predict)
            return ERR(ERR_INVALID,
                       "family '%s' of app %s needs a lower-case name, a model, help, load, drop "
                       "and predict",
                       f->name, app->name);
        if (f->class_count < 2 || f->class_count > SERVING_CLASSES_MAX || f->feature_count < 0 ||
            f->feature_count > SERVING_FEATURES_MAX || (f->feature_count && !f->watch))
            return ERR(ERR_INVALID,
                       "family '%s': 2 to %d classes, and up to %d features with a function that "
                       "fills them in",
                       f->name, SERVING_CLASSES_MAX, SERVING_FEATURES_MAX);
        if (f->ratio_setting && !has_setting(apps, f->ratio_setting))
            return ERR(ERR_INVALID, "family '%s': there is no setting '%s' of type REAL", f->name,
                       f->ratio_setting);
    }
    return OK;
}

err app_check_all(const struct app *const *apps)
{
    struct map seen;
    map_init(&seen, NAMES_MAX);
    err e = OK;
    for (size_t i = 0; apps[i] && !e.code; i++) {
        const struct app *app = apps[i];
        if (!app->name || !has_shape(app->name, "-") || !app->title || !app->summary) {
            e = ERR(ERR_INVALID, "app %zu needs a lower-case name, a title and a summary", i);
            break;
        }
        e = add_name(&seen, "app", app->name);
        if (!e.code)
            e = check_routes(app);
        if (!e.code)
            e = check_migrations(app);
        if (!e.code)
            e = check_named_rows(app, &seen);
        if (!e.code)
            e = check_references(apps, app);
        if (!e.code)
            e = check_families(apps, app);
    }
    map_deinit(&seen);
    return e;
}
