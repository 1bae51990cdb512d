/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_kinds.c -- what can be searched: entities, keys, types and operators of each search. */
#include "platform/track/search_parse.h"

#define BIT(op) (1u << (op))
#define OPS_SAME (BIT(SEARCH_EQ) | BIT(SEARCH_NE))
#define OPS_NUMBER (OPS_SAME | BIT(SEARCH_LT) | BIT(SEARCH_LE) | BIT(SEARCH_GT) | BIT(SEARCH_GE))
#define OPS_LIKE (OPS_SAME | BIT(SEARCH_LIKE) | BIT(SEARCH_ILIKE))
#define OPS_LIST (BIT(SEARCH_IN) | BIT(SEARCH_NOT_IN))
#define OPS_NULL (BIT(SEARCH_IS_NULL) | BIT(SEARCH_IS_NOT_NULL))

/* Keys are sorted: messages list them in this order. */

/* ------------------------------------------------------------------ runs */

#define START "r.start_ms"
#define RUN_NAME "r.run_name", OPS_LIKE | OPS_LIST, .indexed = "run_name"
static const struct search_key run_keys[] = {
    { "Created", START, OPS_NUMBER, .is_number = true, .is_nullable = true, .is_order = true },
    { "Run Name", RUN_NAME },
    { "Run name", RUN_NAME },
    { "artifact_uri",
      "(SELECT CASE WHEN e.artifact_location LIKE '%/' THEN e.artifact_location"
      " ELSE e.artifact_location || '/' END FROM experiments e"
      " WHERE e.experiment_id = r.experiment_id) || r.run_id || '/artifacts'",
      OPS_LIKE | OPS_LIST, .is_order = true },
    { "created", START, OPS_NUMBER, .is_number = true, .is_nullable = true, .is_order = true },
    { "end_time", "r.end_ms", OPS_NUMBER, .is_number = true, .is_nullable = true,
      .is_order = true },
    { "run name", RUN_NAME },
    { "run_id", "r.run_id", OPS_LIKE | OPS_LIST, .has_lists = true, .is_order = true },
    { "run_name", RUN_NAME, .is_order = true },
    { "start_time", START, OPS_NUMBER, .is_number = true, .is_nullable = true, .is_order = true },
    { "status", "r.status", OPS_LIKE | OPS_LIST, .is_order = true },
    { "user_id", "r.user_id", OPS_LIKE | OPS_LIST, .is_order = true },
    { 0 },
};
/* The digest of one of our own datasets that has none yet is its version: as it is shown. */
static const struct search_key dataset_keys[] = {
    { "context", "x.context", OPS_LIKE | OPS_LIST, .has_lists = true },
    { "digest", "COALESCE(d.digest, d.version)", OPS_LIKE | OPS_LIST, .has_lists = true },
    { "name", "d.name", OPS_LIKE | OPS_LIST, .has_lists = true },
    { 0 },
};
static const struct search_entity run_entities[] = {
    { "attribute", " attribute attributes attr run ", run_keys, .is_own = true, .is_order = true,
      .table = "runs", .owner = "run_id", .owned = "r.run_id" },
    { "metric", " metric metrics ", NULL, OPS_NUMBER, .value_is_number = true, .is_order = true,
      .has_nan = true, .from = "latest_metrics x WHERE x.run_id = r.run_id",
      .table = "latest_metrics", .owner = "run_id", .owned = "r.run_id",
      .refusal = SEARCH_REFUSE_SET_OPEN },
    { "parameter", " parameter parameters param params ", NULL, OPS_LIKE | OPS_NULL,
      .is_order = true, .from = "params x WHERE x.run_id = r.run_id", .table = "params",
      .owner = "run_id", .owned = "r.run_id" },
    { "tag", " tag tags ", NULL, OPS_LIKE | OPS_NULL, .is_order = true,
      .from = "tags x WHERE x.run_id = r.run_id", .table = "tags", .owner = "run_id",
      .owned = "r.run_id", .refusal = SEARCH_REFUSE_SET_OPEN },
    { "dataset", " dataset datasets ", dataset_keys,
      .from = "run_assets x JOIN datasets d ON d.id = x.asset_id WHERE x.run_id = r.run_id"
              " AND x.kind = 'dataset' AND x.direction = 'in'",
      .refusal = SEARCH_REFUSE_SET_OPEN },
};

/* ------------------------------------------------------------------ experiments */

static const struct search_key experiment_keys[] = {
    { "creation_time", "r.creation_time", OPS_NUMBER, .is_number = true, .is_order = true },
    { "experiment_id", "r.experiment_id", OPS_SAME | OPS_LIST, .is_number = true, .has_lists = true,
      .takes_text = true, .is_order = true },
    { "last_update_time", "r.last_update_time", OPS_NUMBER, .is_number = true, .is_order = true },
    { "name", "r.name", OPS_LIKE | OPS_LIST, .is_order = true },
    { 0 },
};
static const struct search_entity experiment_entities[] = {
    { "attribute", " attribute ", experiment_keys, .is_own = true, .is_order = true },
    { "tag", " tag tags ", NULL, OPS_LIKE | OPS_NULL,
      .from = "experiment_tags x WHERE x.experiment_id = r.experiment_id",
      .refusal = SEARCH_REFUSE_FOR },
};

/* ------------------------------------------------------------------ the registry */

static const struct search_key model_keys[] = {
    { "last_updated_timestamp", "r.updated_ms", 0, .is_number = true, .is_order = true },
    { "name", "r.name", OPS_LIKE | OPS_LIST, .has_lists = true, .is_order = true },
    { "timestamp", "r.updated_ms", 0, .is_number = true, .is_order = true },
    { 0 },
};
static const struct search_entity model_entities[] = {
    { "attribute", " attribute ", model_keys, .is_own = true, .is_order = true,
      .refusal = SEARCH_REFUSE_FOR },
    { "tag", " tag tags ", NULL, OPS_LIKE, .from = "registered_model_tags x WHERE x.name = r.name",
      .refusal = SEARCH_REFUSE_FOR },
};

static const struct search_key version_keys[] = {
    { "creation_timestamp", "r.created_ms", 0, .is_number = true, .is_order = true },
    { "last_updated_timestamp", "r.updated_ms", 0, .is_number = true, .is_order = true },
    { "name", "r.name", OPS_LIKE | OPS_LIST, .has_lists = true, .is_order = true },
    { "run_id", "r.run_id", OPS_LIKE | OPS_LIST, .has_lists = true },
    { "source_path", "r.source", OPS_LIKE },
    { "version_number", "r.version", OPS_NUMBER, .is_number = true, .takes_text = true,
      .is_order = true },
    { 0 },
};
static const struct search_entity version_entities[] = {
    { "attribute", " attribute ", version_keys, .is_own = true, .is_order = true,
      .refusal = SEARCH_REFUSE_FOR },
    { "tag", " tag tags ", NULL, OPS_LIKE, .from = "model_version_tags x WHERE x.version_id = r.id",
      .refusal = SEARCH_REFUSE_FOR },
};

/* ------------------------------------------------------------------ logged models */

#define LOGGED_CREATED "r.created_ms", OPS_NUMBER, .is_number = true, .is_order = true
#define LOGGED_UPDATED "r.updated_ms", OPS_NUMBER, .is_number = true, .is_order = true
#define LOGGED_TEXT OPS_LIKE | OPS_LIST, .has_lists = true, .is_order = true
static const struct search_key logged_keys[] = {
    { "creation_time", LOGGED_CREATED },
    { "creation_timestamp", LOGGED_CREATED },
    { "creation_timestamp_ms", LOGGED_CREATED },
    { "last_updated_time", LOGGED_UPDATED },
    { "last_updated_timestamp", LOGGED_UPDATED },
    { "last_updated_timestamp_ms", LOGGED_UPDATED },
    { "model_id", "r.model_id", LOGGED_TEXT },
    { "model_type", "r.model_type", LOGGED_TEXT, .is_nullable = true },
    { "name", "r.name", LOGGED_TEXT },
    { "source_run_id", "r.source_run_id", LOGGED_TEXT, .is_nullable = true },
    { "status", "substr(r.status, 14)", LOGGED_TEXT }, /* READY: without LOGGED_MODEL_ */
    { 0 },
};
static const struct search_entity logged_entities[] = {
    { "attributes", " attributes ", logged_keys, .is_own = true, .is_order = true,
      .refusal = SEARCH_REFUSE_NAMED },
    { "metrics", " metrics ", NULL, OPS_NUMBER, .value_is_number = true, .is_order = true,
      .has_nan = true, .is_nan_ignored = true,
      .from = "logged_model_metrics x WHERE x.model_id = r.model_id",
      .refusal = SEARCH_REFUSE_NAMED },
    { "params", " params ", NULL, OPS_LIKE | OPS_LIST,
      .from = "logged_model_params x WHERE x.model_id = r.model_id",
      .refusal = SEARCH_REFUSE_NAMED },
    { "tags", " tags ", NULL, OPS_LIKE | OPS_LIST,
      .from = "logged_model_tags x WHERE x.model_id = r.model_id", .refusal = SEARCH_REFUSE_NAMED },
};

/* ------------------------------------------------------------------ traces */

#define OPS_TEXT (OPS_LIKE | BIT(SEARCH_RLIKE))
#define TRACE_VALUE(table, key) \
    "(SELECT t.value FROM " table " t WHERE t.trace = r.id AND t.key = '" key "')"
#define TRACE_END "r.request_ms + COALESCE(r.duration_ms, 0)"
#define TRACE_NUMBER OPS_NUMBER, .is_number = true, .is_order = true
#define TRACE_SPANS "trace_spans x WHERE x.trace = r.id"
static const struct search_key trace_keys[] = {
    { "client_request_id", "r.client_request_id", OPS_TEXT | OPS_LIST, .has_lists = true },
    { "end_time", TRACE_END, TRACE_NUMBER },
    { "end_time_ms", TRACE_END, TRACE_NUMBER },
    { "execution_time", "r.duration_ms", TRACE_NUMBER, .is_nullable = true },
    { "execution_time_ms", "r.duration_ms", TRACE_NUMBER, .is_nullable = true },
    { "experiment_id", "r.experiment_id", 0, .is_number = true, .is_order = true },
    { "name", TRACE_VALUE("trace_tags", "mlflow.traceName"), OPS_TEXT | OPS_LIST,
      .is_nullable = true, .has_lists = true, .is_order = true },
    { "prompt", TRACE_VALUE("trace_tags", "mlflow.linkedPrompts"), BIT(SEARCH_EQ),
      .is_prompt = true },
    { "request_id", "r.trace_id", OPS_TEXT | OPS_LIST, .has_lists = true, .is_order = true },
    { "run_id", TRACE_VALUE("trace_metadata", "mlflow.sourceRun"), OPS_TEXT | OPS_LIST,
      .is_nullable = true, .has_lists = true, .is_order = true,
      .from = "trace_runs x WHERE x.trace_id = r.trace_id", .from_sql = "x.run_id" },
    { "status", "r.state", OPS_TEXT | OPS_LIST, .has_lists = true, .is_order = true },
    { "text", "", BIT(SEARCH_LIKE) | BIT(SEARCH_ILIKE), .from = TRACE_SPANS,
      .from_sql = "x.content" },
    { "timestamp", "r.request_ms", TRACE_NUMBER },
    { "timestamp_ms", "r.request_ms", TRACE_NUMBER },
    { 0 },
};
static const struct search_key span_keys[] = {
    { "content", "x.content", BIT(SEARCH_LIKE) | BIT(SEARCH_ILIKE) },
    { "name", "x.name", OPS_TEXT | OPS_LIST, .has_lists = true },
    { "status", "x.status", OPS_TEXT | OPS_LIST, .has_lists = true },
    { "type", "x.type", OPS_TEXT | OPS_LIST, .has_lists = true },
    { 0 },
};
#define ASSESSMENTS(kind) \
    "assessments x WHERE x.trace = r.id AND x.is_valid = 1 AND x.kind = '" kind "'"
/* There are none here; asked for, none is found. */
static const struct search_key issue_keys[] = { { "id", "x.value", BIT(SEARCH_EQ) }, { 0 } };
static const struct search_entity trace_entities[] = {
    { "attribute", " attribute attributes trace ", trace_keys, .is_own = true, .is_order = true },
    { "tag", " tag tags ", NULL, OPS_TEXT | OPS_NULL, .from = "trace_tags x WHERE x.trace = r.id" },
    { "request_metadata", " request_metadata metadata ", NULL, OPS_TEXT | OPS_NULL,
      .from = "trace_metadata x WHERE x.trace = r.id" },
    { "span", " span ", span_keys, OPS_TEXT | OPS_LIST, .from = TRACE_SPANS,
      .any_prefix = "attributes." },
    { "feedback", " feedback ", NULL, OPS_NUMBER | OPS_TEXT | OPS_NULL,
      .from = ASSESSMENTS("feedback"), .number_sql = "x.number" },
    { "expectation", " expectation ", NULL, OPS_NUMBER | OPS_TEXT | OPS_NULL,
      .from = ASSESSMENTS("expectation"), .number_sql = "x.number" },
    { "issue", " issue ", issue_keys, .from = ASSESSMENTS("issue") },
};

/* ------------------------------------------------------------------ all of them */

#define ENTITIES(list) .entities = (list), .entity_count = COUNT_OF(list)
#define OF_REGISTRY                            \
    .unknown_before = "Invalid entity type '", \
    .unknown_after = "'. Valid entity types are ('attribute', 'tag', 'tags')"

const struct search_grammar search_grammars[SEARCH_KIND_COUNT] = {
    [SEARCH_RUNS] = { ENTITIES(run_entities), .unknown_before = "Invalid entity type '",
                      .unknown_after = "'. Valid values are ['metric', 'parameter', 'tag',"
                                       " 'attribute', 'dataset']",
                      .quotes_clauses = true },
    [SEARCH_EXPERIMENTS] = { ENTITIES(experiment_entities), OF_REGISTRY },
    [SEARCH_MODELS] = { ENTITIES(model_entities), OF_REGISTRY,
                        .order_before = "Invalid order by key '",
                        .order_after = "' specified. Valid keys are '{'name', 'timestamp'}'" },
    [SEARCH_VERSIONS] = { ENTITIES(version_entities), OF_REGISTRY },
    [SEARCH_LOGGED_MODELS] = { ENTITIES(logged_entities),
                               .unknown_before = "Invalid entity type: '",
                               .unknown_after = "'. Expected one of ['attributes', 'metrics',"
                                                " 'params', 'tags'].",
                               .quotes_clauses = true,
                               .order_before = "Invalid order by field name: ", .order_after = "" },
    [SEARCH_TRACES] = { ENTITIES(trace_entities), .unknown_before = "Invalid entity type '",
                        .unknown_after = "'. Valid values are {'attribute', 'attributes',"
                                         " 'expectation', 'feedback', 'issue', 'metadata',"
                                         " 'request_metadata', 'span', 'tag', 'tags', 'trace'}",
                        .quotes_clauses = true },
};
