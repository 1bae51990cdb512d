/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- the MLflow app: MLflow's REST API on the house's own runs, models and files. */
#include "apps/mlflow/import.h"
#include "apps/mlflow/mlflow_app.h"

static const char *const prefixes[] = { "/api/",         "/ajax-api/",      "/version",
                                        "/get-artifact", "/model-versions", NULL };

#define ERROR_SCHEMA                                                                         \
    "{\"type\":\"object\",\"properties\":{\"error_code\":{\"type\":\"string\"},\"message\":" \
    "{\"type\":\"string\"},\"sqlstate\":{\"type\":\"string\"},\"error_class\":{\"type\":"    \
    "\"string\"}},"                                                                          \
    "\"required\":[\"error_code\",\"message\"]}"

static const struct http_error_shape error_shapes[] = {
    { "/api/", wire_error, ERROR_SCHEMA },
    { "/ajax-api/", wire_error, ERROR_SCHEMA },
    { "/get-artifact", wire_error, ERROR_SCHEMA },
    { "/model-versions/", wire_error, ERROR_SCHEMA },
    { 0 },
};

const struct app app_mlflow = {
    .name = "mlflow",
    .title = "MLflow API",
    .summary = "Tracking and registry for unmodified MLflow clients.",
    .settings = import_settings,
    .routes = mlflow_routes,
    .jobs = import_jobs,
    .verbs = import_verbs,
    .prefixes = prefixes,
    .error_shapes = error_shapes,
};
