//! The statements: each calls a function of the schema, with the types of its parameters, so that it can be sent
//! without being prepared.

use tokio_postgres::types::Type;

/// A statement.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) types: &'static [Type],
}

/// All statements for one schema.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) now: Sql,
    pub(super) add: Sql,
    pub(super) claim: Sql,
    pub(super) reclaim: Sql,
    pub(super) succeed: Sql,
    pub(super) beat: Sql,
    pub(super) heads: Sql,
    pub(super) fold: Sql,
    pub(super) find: Sql,
    pub(super) were_pruned: Sql,
    pub(super) hold: Sql,
    pub(super) hold_runs: Sql,
    pub(super) put: Sql,
    pub(super) respec: Sql,
    pub(super) register: Sql,
    pub(super) unregister: Sql,
    pub(super) unpark: Sql,
    pub(super) park: Sql,
    pub(super) pause: Sql,
    pub(super) resume: Sql,
    pub(super) publish: Sql,
    pub(super) prune: Sql,
    pub(super) tidy: Sql,
    pub(super) prunable: Sql,
    pub(super) counts: Sql,
    pub(super) paused: Sql,
    pub(super) published: Sql,
    pub(super) workers: Sql,
    pub(super) watch: Sql,
    pub(super) not_open: Sql,
    pub(super) follow: Sql,
    pub(super) notify: Sql,
    pub(super) add_keyed: Sql,
    pub(super) put_keyed: Sql,
    pub(super) take_key: Sql,
    pub(super) holders: Sql,
    pub(super) depths: Sql,
    pub(super) limit: Sql,
    pub(super) limits: Sql,
    pub(super) count_running: Sql,
    pub(super) inquire: Sql,
    pub(super) schedules: Sql,
    pub(super) declare: Sql,
    pub(super) make_schedule: Sql,
    pub(super) pause_schedule: Sql,
    pub(super) tick: Sql,
}

const ADD: &[Type] = &[
    Type::UUID_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INT2_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::UUID,
    Type::BOOL_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::BOOL,
];

const ADD_KEYED: &[Type] = &[
    Type::UUID_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INT2_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::TEXT_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::BOOL_ARRAY,
    Type::INT2_ARRAY,
    Type::TEXT_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT,
    Type::BOOL,
];

/// Those of `put_keyed` but for the last two.
const PUT: &[Type] = PUT_KEYED.split_at(PUT_KEYED.len() - 2).0;

const PUT_KEYED: &[Type] = &[
    Type::UUID_ARRAY,
    Type::INT2_ARRAY,
    Type::INT2_ARRAY,
    Type::INT2_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INT2_ARRAY,
    Type::BOOL_ARRAY,
    Type::BOOL_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TEXT_ARRAY,
    Type::BOOL_ARRAY,
    Type::TEXT_ARRAY,
];

const CLAIM: &[Type] = &[
    Type::UUID,
    Type::INT4,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::TEXT,
    Type::INT8,
    Type::TEXT_ARRAY,
    Type::INT2_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::UUID_ARRAY,
];

const BEAT: &[Type] = &[
    Type::UUID,
    Type::INT8,
    Type::INT4,
    Type::TEXT_ARRAY,
    Type::INT2_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::UUID_ARRAY,
];

const LIMIT: &[Type] =
    &[Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::INT8, Type::INT4, Type::INT4, Type::INT8, Type::INT8];

const HEADS: &[Type] = &[Type::UUID, Type::TEXT_ARRAY, Type::INT2_ARRAY, Type::TIMESTAMPTZ_ARRAY, Type::UUID_ARRAY];

impl Statements {
    pub(super) fn new(schema: &str) -> Self {
        let sql = |text: &str, types| Sql { text: text.replace("{s}", schema), types };
        let call = |function: &str, types: &'static [Type]| {
            let parameters: Vec<_> = (1..=types.len()).map(|n| format!("${n}")).collect();
            sql(&format!("SELECT * FROM {{s}}.{function}({})", parameters.join(", ")), types)
        };
        Self {
            now: sql("SELECT {s}.now()", &[]),
            add: call("add", ADD),
            claim: call("claim", CLAIM),
            reclaim: call("reclaim", &[Type::UUID, Type::INT8]),
            succeed: call("succeed", &[Type::UUID_ARRAY, Type::INT8_ARRAY, Type::TIMESTAMPTZ_ARRAY, Type::TEXT_ARRAY]),
            beat: sql(
                "SELECT * FROM {s}.beat($1, $2, $3, $4, $5, $6, $7) b CROSS JOIN LATERAL {s}.facts(b.moment) f",
                BEAT,
            ),
            heads: call("heads", HEADS),
            fold: sql("SELECT FROM {s}.fold()", &[]),
            find: call("find", &[Type::UUID_ARRAY]),
            were_pruned: sql("SELECT p.id FROM {s}.pruned p WHERE p.id = ANY($1)", &[Type::UUID_ARRAY]),
            hold: call("hold", &[Type::UUID]),
            hold_runs: call("hold_runs", &[Type::UUID_ARRAY, Type::INT8_ARRAY, Type::UUID]),
            put: call("put", PUT),
            respec: sql(
                "UPDATE {s}.job SET queue = $2, priority = $3, run_after = $4, expires_at = $5 WHERE id = $1",
                &[Type::UUID, Type::TEXT, Type::INT2, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ],
            ),
            register: call("register", &[Type::UUID, Type::INT8, Type::TEXT_ARRAY]),
            unregister: call("unregister", &[Type::UUID, Type::BOOL]),
            unpark: call("unpark", &[Type::INT4]),
            park: call("park", &[Type::INT4]),
            pause: sql("INSERT INTO {s}.paused (queue) VALUES ($1) ON CONFLICT DO NOTHING", &[Type::TEXT]),
            resume: sql("DELETE FROM {s}.paused WHERE queue = $1", &[Type::TEXT]),
            publish: sql(
                "INSERT INTO {s}.published (task, definition) SELECT * FROM unnest($1, $2) ORDER BY 1 \
                 ON CONFLICT (task) DO UPDATE SET definition = excluded.definition",
                &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
            ),
            prune: call("prune", &[Type::INT4, Type::INT8, Type::INT8]),
            tidy: sql("SELECT FROM {s}.tidy()", &[]),
            prunable: call("prunable", &[Type::INT8, Type::INT8]),
            counts: call("counts", &[]),
            paused: sql("SELECT queue FROM {s}.paused", &[]),
            published: sql("SELECT task, definition FROM {s}.published", &[]),
            workers: sql("SELECT id, lease_ends FROM {s}.worker ORDER BY id", &[]),
            watch: sql(
                "INSERT INTO {s}.watch (id, until) SELECT x.id, {s}.now() + interval '5 minutes' \
                 FROM (SELECT DISTINCT id FROM unnest($1) AS u(id) ORDER BY id) x \
                 ON CONFLICT (id) DO UPDATE SET until = excluded.until",
                &[Type::UUID_ARRAY],
            ),
            not_open: sql(
                "SELECT u.id FROM unnest($1) AS u(id) WHERE NOT EXISTS (SELECT FROM {s}.waiting w WHERE w.id = u.id) \
                 AND NOT EXISTS (SELECT FROM {s}.running r WHERE r.id = u.id)",
                &[Type::UUID_ARRAY],
            ),
            follow: call("follow", &[Type::INT8, Type::INT4, Type::INT8, Type::INT8, Type::INT8, Type::INT8]),
            notify: sql("SELECT pg_notify('{s}.callboard', $1)", &[Type::TEXT]),
            add_keyed: call("add_keyed", ADD_KEYED),
            put_keyed: call("put_keyed", PUT_KEYED),
            take_key: call("take_key", &[Type::TEXT, Type::UUID, Type::TIMESTAMPTZ, Type::BOOL]),
            holders: sql("SELECT u.key, u.job FROM {s}.unique_key u WHERE u.key = ANY($1)", &[Type::TEXT_ARRAY]),
            depths: call("depths", &[]),
            limit: call("limit_queue", LIMIT),
            limits: sql("SELECT queue, definition FROM {s}.limits", &[]),
            count_running: sql("SELECT FROM {s}.count_running()", &[]),
            inquire: call("inquire", &[Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::TIMESTAMPTZ, Type::UUID]),
            schedules: sql("SELECT * FROM {s}.schedules ORDER BY name", &[]),
            declare: sql(
                "SELECT FROM {s}.declare_schedules($1, $2, $3)",
                &[Type::UUID, Type::TEXT_ARRAY, Type::TEXT_ARRAY],
            ),
            make_schedule: call("make_schedule", &[Type::TEXT, Type::TEXT]),
            pause_schedule: call("pause_schedule", &[Type::TEXT, Type::BOOL]),
            tick: call("tick", &[Type::TEXT, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ]),
        }
    }
}
