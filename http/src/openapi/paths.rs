//! Every operation of the front end, as a table: what it takes, what it answers, and which scope it needs.

use serde_json::{Map, Value, json};

/// What one operation is.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    body: Map<String, Value>,
    /// The scopes of which a token needs one; empty: none.
    pub(super) scopes: &'static [&'static str],
    parameters: Vec<Value>,
    responses: Map<String, Value>,
}

/// The answers that any operation may give.
const ALWAYS: &[u16] = &[400, 421, 429, 500, 503];

/// What every answer about a task says in its head.
const TASK_HEADERS: &[&str] = &["ETag", "Retry-After"];

impl Operation {
    fn new(
        method: &'static str,
        path: &'static str,
        id: &str,
        tag: &str,
        scopes: &'static [&'static str],
        summary: &str,
    ) -> Self {
        let mut operation =
            Self { path, method, body: Map::new(), scopes, parameters: Vec::new(), responses: Map::new() };
        operation.body.insert("operationId".into(), id.into());
        operation.body.insert("tags".into(), json!([tag]));
        operation.body.insert("summary".into(), summary.into());
        for name in path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name) {
            operation.parameters.push(path_parameter(name));
        }
        let refused: &[u16] = if scopes.is_empty() { &[] } else { &[401, 403] };
        operation.problems(ALWAYS).problems(refused)
    }

    fn query(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(parameter(name, "query", schema, description));
        self
    }

    fn header(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(parameter(name, "header", schema, description));
        self
    }

    /// A body of JSON, and with it the problems that bodies have.
    fn takes(mut self, schema: &str) -> Self {
        let content = json!({"application/json": {"schema": reference(schema)}});
        self.body.insert("requestBody".into(), json!({"required": true, "content": content}));
        self.problems(&[403, 408, 413, 415, 422])
    }

    fn answers(self, status: u16, description: &str, schema: &str) -> Self {
        self.answers_with(status, description, "application/json", &reference(schema), &[])
    }

    fn answers_with(mut self, status: u16, description: &str, kind: &str, schema: &Value, headers: &[&str]) -> Self {
        let headers: Map<_, _> = headers.iter().map(|name| ((*name).to_owned(), header(name))).collect();
        let mut response = json!({"description": description, "content": {kind: {"schema": schema}}});
        if !headers.is_empty() {
            response["headers"] = headers.into();
        }
        self.responses.insert(status.to_string(), response);
        self
    }

    /// Another form of an answer that has one already.
    fn or_as(mut self, status: u16, kind: &str, schema: &Value) -> Self {
        self.responses[&status.to_string()]["content"][kind] = json!({"schema": schema});
        self
    }

    fn answers_empty(mut self, status: u16, description: &str) -> Self {
        self.responses.insert(status.to_string(), json!({"description": description}));
        self
    }

    fn task(self, status: u16, description: &str) -> Self {
        self.answers_with(status, description, "application/json", &reference("Task"), TASK_HEADERS)
    }

    fn problems(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let response = format!("#/components/responses/{status}");
            self.responses.insert(status.to_string(), json!({"$ref": response}));
        }
        self
    }

    /// As it stands in the document; `open` servers let callers without a token in.
    pub(super) fn into_value(mut self, open: bool) -> Value {
        self.body.insert("parameters".into(), self.parameters.into());
        self.body.insert("responses".into(), self.responses.into());
        let mut security: Vec<_> = self.scopes.iter().map(|scope| json!({"token": [scope]})).collect();
        if open || self.scopes.is_empty() {
            security.insert(0, json!({}));
        }
        self.body.insert("security".into(), security.into());
        self.body.into()
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn parameter(name: &str, place: &str, schema: Value, description: &str) -> Value {
    let mut parameter = json!({"name": name, "in": place, "description": description});
    parameter["schema"] = schema;
    parameter
}

fn path_parameter(name: &str) -> Value {
    let (schema, description) = match name {
        "id" => (json!({"type": "string", "format": "uuid"}), "The id of a task."),
        "name" => (json!({"type": "string", "minLength": 1}), "The name of a schedule."),
        "queue" => (json!({"type": "string", "minLength": 1}), "The name of a queue."),
        _ => (json!({"type": "string", "minLength": 1}), "The last part of the `type` of a problem."),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

/// A header of answers.
fn header(name: &str) -> Value {
    let (description, schema) = match name {
        "Location" => ("The path of the task.", json!({"type": "string"})),
        "ETag" => ("The version, in quotes.", json!({"type": "string"})),
        "Retry-After" => ("In how many seconds it is worth asking again.", json!({"type": "integer", "minimum": 0})),
        "Preference-Applied" => ("What was honoured of `Prefer`.", json!({"type": "string"})),
        "Link" => ("The next page, if there is one.", json!({"type": "string"})),
        "Idempotency-Replayed" => {
            ("`true`: this is the answer to the first request of that key.", json!({"type": "string"}))
        }
        "Allow" => ("The methods that there are.", json!({"type": "string"})),
        other => unreachable!("{other} has no description"),
    };
    json!({"description": description, "schema": schema})
}

/// Answers that are problems, by status.
pub(super) fn problem_responses() -> Map<String, Value> {
    let mut statuses: Vec<u16> = crate::problem::Kind::ALL.iter().map(|kind| kind.status().as_u16()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let response = |status: u16| {
        let kinds = crate::problem::Kind::ALL.iter().filter(|kind| kind.status().as_u16() == status);
        let slugs: Vec<_> = kinds.map(|kind| format!("{} ({})", kind.slug(), kind.title())).collect();
        let mut response = json!({
            "description": format!("{}.", slugs.join("; ")),
            "content": {"application/problem+json": {"schema": reference("Problem")}},
        });
        match status {
            405 => response["headers"] = json!({"Allow": header("Allow")}),
            429 | 503 => response["headers"] = json!({"Retry-After": header("Retry-After")}),
            _ => {}
        }
        response
    };
    statuses.into_iter().map(|status| (status.to_string(), response(status))).collect()
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    // A form sends what was left empty as well, and that is as if it were not there.
    let empty = || json!({"type": "string", "maxLength": 0});
    let name = || json!({"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9_.:-]*$"});
    let time = || json!({"anyOf": [{"type": "string", "format": "date-time"}, empty()]});
    let wait = || json!({"type": "integer", "minimum": 0});
    let prefer = || json!({"type": "string", "examples": ["wait=10"]});
    let backend = "The alias of a backend; `default` unless given.";
    let plain = || json!({"type": "string"});
    let key = || json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
    const ENQUEUE: &[&str] = &["tasks:enqueue"];
    const READ: &[&str] = &["tasks:read"];
    const WRITE: &[&str] = &["tasks:write"];
    const QUEUES: &[&str] = &["queues:write"];
    const EITHER: &[&str] = &["tasks:enqueue", "tasks:read"];
    let new = Operation::new;
    let mut all = vec![
        new("post", "/enqueue", "enqueue", "Enqueue", ENQUEUE, "Enqueue a call of a task.")
            .header("Prefer", prefer(), "`wait=n`: wait up to n seconds (30 at most) for the end.")
            .header("traceparent", plain(), "A W3C trace context, kept with the task; ignored if it is none.")
            .header("Idempotency-Key", key(), "The same key with the same body within 24 hours gets the first answer again.")
            .takes("Call")
            .answers_with(
                200,
                "It has finished already, or an unfinished one with its unique key was found.",
                "application/json",
                &reference("Task"),
                &["Location", "Preference-Applied"],
            )
            .answers_with(
                202,
                "It is committed.",
                "application/json",
                &reference("Task"),
                &["Location", "Idempotency-Replayed"],
            )
            .problems(&[409]),
        new("post", "/enqueue/batch", "enqueueBatch", "Enqueue", ENQUEUE, "Enqueue many calls, together or each for itself.")
            .header("traceparent", plain(), "A W3C trace context, kept with the tasks; ignored if it is none.")
            .header("Idempotency-Key", key(), "As of a single call, where all are kept together; refused with `atomic: false`.")
            .takes("Batch")
            .answers(200, "Each for itself (`atomic: false`): what became of it.", "BatchReport")
            .answers_with(
                202,
                "All are committed, in one transaction.",
                "application/json",
                &reference("Batched"),
                &["Idempotency-Replayed"],
            )
            .problems(&[409]),
        new("get", "/tasks", "listTasks", "Tasks", READ, "List the tasks of a backend, newest first.")
            .query("status", json!({"anyOf": [reference("Status"), empty()]}), "Only tasks of this status.")
            .query("phase", json!({"anyOf": [reference("Phase"), empty()]}), "Only tasks in this phase.")
            .query("task", name(), "Only this task: its full name, or its bare one while that is unambiguous.")
            .query("queue", name(), "Only tasks of this queue.")
            .query("backend", name(), backend)
            .query("tag", name(), "Only tasks with this tag.")
            .query("since", time(), "Enqueued then or later.")
            .query("until", time(), "Enqueued before.")
            .query("limit", json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, empty()]}), "So many at most.")
            .query("cursor", json!({"type": "string", "pattern": "^(1[0-9a-f]{36})?$"}), "The `next` of an earlier page of the same list.")
            .answers_with(200, "A page.", "application/json", &reference("TaskPage"), &["Link"])
            .problems(&[422]),
        new("post", "/bulk", "bulk", "Tasks", WRITE, "Retry, cancel or delete all tasks that fit a filter.")
            .takes("Bulk")
            .answers(200, "Only counted (`dry_run: true`): how many it would look at now, 10,000 at most.", "BulkCount")
            .answers_with(
                202,
                "Committed: a task that does it, says how far it is, and returns what came of it.",
                "application/json",
                &reference("Task"),
                &["Location"],
            )
            .problems(&[409]),
        new("get", "/tasks/{id}", "getTask", "Tasks", READ, "Look a task up, or wait for it.")
            .query("wait", wait(), "Hold until it has finished, or with If-None-Match until it changes, so many seconds; above 30 is 30.")
            .query("logs", json!({"anyOf": [{"type": "boolean", "default": false}, empty()]}), "Show what its attempts wrote to their log.")
            .header("Prefer", prefer(), "`wait=n`, as the parameter.")
            .header("If-None-Match", plain(), "The ETag of the version that is known.")
            .answers_with(
                200,
                "The task.",
                "application/json",
                &reference("Task"),
                &["ETag", "Retry-After", "Preference-Applied"],
            )
            .answers_empty(304, "It still has that version.")
            .problems(&[404, 410, 422]),
        new("patch", "/tasks/{id}", "changeTask", "Tasks", WRITE, "Change a task that waits.")
            .header("If-Match", plain(), "The ETag of the version that is to be changed.")
            .takes("TaskChange")
            .task(200, "The task since then.")
            .problems(&[404, 409, 410, 412]),
        new("delete", "/tasks/{id}", "deleteTask", "Tasks", WRITE, "Remove a task that does not run.")
            .answers_empty(204, "It is gone.")
            .problems(&[404, 409, 410, 422]),
        new("get", "/tasks/{id}/result", "getResult", "Tasks", READ, "The bare return value of a task.")
            .answers_with(200, "The return value, any JSON.", "application/json", &json!({}), TASK_HEADERS)
            .task(202, "It has not finished.")
            .problems(&[404, 409, 410, 422]),
        new("get", "/tasks/{id}/events", "followTask", "Tasks", READ, "What happens to a task, as it happens.")
            .header("Last-Event-ID", plain(), "The version that was heard last.")
            .answers_with(
                200,
                "Server-sent events: `state` and `end` with the task, `progress` with how far it is; `id` is the version.",
                "text/event-stream",
                &plain(),
                &[],
            )
            .answers_empty(204, "It has finished, and its end was heard.")
            .problems(&[404, 410, 422]),
        new("get", "/tasks/{id}/why", "whyTask", "Tasks", READ, "Why a task is not running.")
            .answers(200, "What holds it back, or what it does instead.", "Why")
            .problems(&[404, 410, 422]),
        new("post", "/tasks/{id}/cancel", "cancelTask", "Tasks", WRITE, "End a task that waits; ask a running one to stop.")
            .task(200, "It is cancelled.")
            .task(202, "It runs, and was asked to stop.")
            .problems(&[404, 409, 410, 422]),
        new("post", "/tasks/{id}/retry", "retryTask", "Tasks", WRITE, "Run a finished task again.")
            .task(202, "It runs again; its attempts and errors are kept.")
            .problems(&[404, 409, 410, 422]),
        new("post", "/tasks/{id}/run-now", "runTaskNow", "Tasks", WRITE, "Make a task due that waits for its time.")
            .task(200, "It is due.")
            .problems(&[404, 409, 410, 422]),
        new("get", "/queues", "listQueues", "Queues", READ, "The queues of a backend.")
            .query("backend", name(), backend)
            .answers(200, "All of them, by name.", "QueueList")
            .problems(&[422]),
        new("get", "/queues/{queue}", "getQueue", "Queues", READ, "One queue.")
            .query("backend", name(), backend)
            .answers(200, "The queue.", "Queue")
            .problems(&[404, 422]),
        new("patch", "/queues/{queue}", "limitQueue", "Queues", QUEUES, "Change the limits of a queue, over all processes.")
            .query("backend", name(), backend)
            .takes("QueueChange")
            .answers(200, "The queue since then.", "Queue")
            .problems(&[404]),
    ];
    for (verb, id, summary, done) in [
        ("/queues/{queue}/pause", "pauseQueue", "Start no more tasks of a queue.", "It is paused; what runs goes on."),
        ("/queues/{queue}/resume", "resumeQueue", "Start tasks of a queue again.", "It is not paused."),
    ] {
        all.push(
            new("post", verb, id, "Queues", QUEUES, summary)
                .query("backend", name(), backend)
                .answers(200, done, "Queue")
                .problems(&[404, 422]),
        );
    }
    all.extend([
        new("get", "/schedules", "listSchedules", "Schedules", READ, "The schedules, each with its next five times.")
            .query("backend", name(), "The alias of a backend; all unless given.")
            .answers(200, "All of them, by name.", "ScheduleList"),
        new(
            "post",
            "/schedules/{name}/run",
            "runSchedule",
            "Schedules",
            QUEUES,
            "Enqueue now what a schedule enqueues.",
        )
        .answers_with(
            200,
            "It has finished already, or was there.",
            "application/json",
            &reference("Task"),
            &["Location"],
        )
        .answers_with(
            202,
            "It is committed; the ticks stay as they are.",
            "application/json",
            &reference("Task"),
            &["Location"],
        )
        .problems(&[404, 409, 422]),
        new("post", "/schedules/{name}/pause", "pauseSchedule", "Schedules", QUEUES, "Fire a schedule no more.")
            .answers(200, "It is paused.", "Schedule")
            .problems(&[404, 422]),
        new("post", "/schedules/{name}/resume", "resumeSchedule", "Schedules", QUEUES, "Fire a schedule again.")
            .answers(200, "It is not paused.", "Schedule")
            .problems(&[404, 422]),
        new("get", "/workers", "listWorkers", "Operation", READ, "The processes that run tasks, and what each runs.")
            .query("backend", name(), "The alias of a backend; all unless given.")
            .answers(200, "All of them.", "WorkerList")
            .problems(&[422]),
        new("get", "/registry", "listRegistry", "Enqueue", EITHER, "The tasks that can be enqueued here.").answers(
            200,
            "All of them, by name.",
            "Registry",
        ),
        new(
            "get",
            "/metrics",
            "getMetrics",
            "Operation",
            &["metrics:read"],
            "Metrics in the text format of Prometheus.",
        )
        .answers_with(200, "The metrics.", "text/plain", &plain(), &[]),
        new("get", "/healthz", "getHealth", "Operation", &[], "Whether to leave this process alone.")
            .answers(200, "It is alive.", "Health")
            .answers(503, "It is not.", "Health"),
        new("get", "/readyz", "getReadiness", "Operation", &[], "Whether to send new work here.")
            .answers(200, "It is ready.", "Health")
            .answers(503, "It is not.", "Health"),
        new(
            "post",
            "/csp/reports",
            "reportViolations",
            "Operation",
            &[],
            "What browsers report of content security policies.",
        )
        .reports()
        .answers_empty(204, "They are counted."),
        new("get", "/problems/{slug}", "getProblem", "Documentation", &[], "What a kind of problem means.")
            .answers_with(200, "A page; plain text for whoever accepts no HTML.", "text/html", &plain(), &[])
            .or_as(200, "text/plain", &plain())
            .problems(&[404]),
        new("get", "/openapi.json", "getOpenapi", "Documentation", EITHER, "This document.")
            .header("If-None-Match", plain(), "The ETag of what is known.")
            .answers_with(200, "The document.", "application/json", &document_schema(), &["ETag"])
            .answers_empty(304, "It is still the same."),
    ]);
    all
}

fn document_schema() -> Value {
    json!({
        "type": "object",
        "required": ["openapi", "info", "paths"],
        "properties": {
            "openapi": {"type": "string"},
            "info": {"type": "object"},
            "paths": {"type": "object"},
        },
    })
}

impl Operation {
    fn reports(mut self) -> Self {
        let report =
            json!({"type": "object", "required": ["csp-report"], "properties": {"csp-report": {"type": "object"}}});
        let reports = json!({"type": "array", "items": {"type": "object"}});
        let content = json!({
            "application/csp-report": {"schema": report},
            "application/reports+json": {"schema": reports},
        });
        self.body.insert("requestBody".into(), json!({"required": true, "content": content}));
        self.problems(&[403, 408, 413, 415])
    }
}
