//! `GET /openapi.json`: what there is, as an OpenAPI 3.1 document with the registered tasks in it.

mod bulk;
mod paths;
mod schemas;
mod tasks;

use std::collections::BTreeSet;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{Published, QueueNames};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::OpenApi;

use crate::access::{Caller, Right};
use crate::links;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json;

/// The schemas of the document, and what stands at its head.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Callboard",
        description = "Background tasks: enqueue a call, poll its task, steer what waits and runs.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(
        schemas::Task,
        schemas::TaskPage,
        schemas::Call,
        schemas::Batch,
        schemas::Batched,
        schemas::BatchReport,
        schemas::TaskChange,
        schemas::Bulk,
        schemas::BulkCount,
        schemas::Why,
        schemas::QueueChange,
        schemas::Queue,
        schemas::QueueList,
        schemas::ScheduleList,
        schemas::WorkerList,
        schemas::Registry,
        schemas::Health,
        schemas::Problem,
    ))
)]
struct Head;

/// A pause, as it is written: whole numbers with their units, the larger ones first.
const PAUSE: &str = "^([0-9]{1,3}w)?([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?([0-9]{1,9}ms)?$";

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    may_read(&state.caller(&req))?;
    Query::of(&req, &[])?;
    let body = for_request(&req, &state, "/openapi.json").await?.to_string();
    let digest = Sha256::digest(body.as_bytes());
    let tag: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = req.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known == tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, HeaderValue::try_from(tag).expect("hex digits in quotes")));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((header::VARY, HeaderValue::from_static("Authorization")));
    if known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body))
}

/// Whoever may enqueue or read must be able to see how.
pub(crate) fn may_read(caller: &Caller) -> Result<(), Problem> {
    if caller.has(&Right::EnqueueAny) {
        return Ok(());
    }
    caller.must(Right::Read)
}

/// The document of this server, for a request to the path `own` below where it is mounted.
pub(crate) async fn for_request(req: &HttpRequest, state: &State, own: &str) -> Result<Value, Problem> {
    let published = state.board.published().await?;
    let open = published.values().filter(|task| task.http);
    let mut document = document(open, state.policy.tokens.is_empty());
    put_names(&mut document, state, published.values().filter(|task| task.http));
    let prefix = links::prefix_before(req.path(), own);
    document["servers"] = json!([{"url": if prefix.is_empty() { "/" } else { prefix }}]);
    Ok(document)
}

/// Puts the names of this server where they are asked for: its backends, their queues, its tasks.
fn put_names<'a>(document: &mut Value, state: &State, tasks: impl Iterator<Item = &'a Published>) {
    let backends = state.board.backends();
    let aliases: Vec<&str> = backends.iter().map(|info| info.alias.as_str()).collect();
    let tasks: Vec<&str> = tasks.map(|task| task.name.as_str()).collect();
    let queues: Option<BTreeSet<&str>> = backends
        .iter()
        .map(|info| match &info.queues {
            QueueNames::Only(names) => Some(names.iter().map(String::as_str)),
            QueueNames::Any => None,
        })
        .collect::<Option<Vec<_>>>()
        .map(|names| names.into_iter().flatten().collect());
    let one_of = |names: &[&str], or: &Value| -> Value {
        names.iter().map(|name| Value::from(*name)).chain([or.clone()]).collect()
    };
    let none = Value::from("");
    let items = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    for parameter in operations.filter_map(|operation| operation["parameters"].as_array_mut()).flatten() {
        match parameter["name"].as_str() {
            Some("backend") => parameter["schema"] = json!({"type": "string", "enum": one_of(&aliases, &none)}),
            Some("task") => parameter["schema"] = json!({"type": "string", "enum": one_of(&tasks, &none)}),
            _ => {}
        }
    }
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas {
        if name == "Bulk" {
            bulk::put_names(schema, &one_of(&aliases, &Value::Null), &one_of(&tasks, &Value::Null));
        }
        if name.starts_with("Call.") {
            schema["properties"]["backend"]["enum"] = one_of(&aliases, &Value::Null);
        }
        if let Some(queues) = &queues {
            let queues: Vec<&str> = queues.iter().copied().collect();
            if name.starts_with("Call.") {
                schema["properties"]["queue"]["enum"] = one_of(&queues, &Value::Null);
            } else if name == "TaskChange" {
                schema["properties"]["queue"]["enum"] = queues.into();
            }
        }
    }
}

/// The document with these tasks; `open` servers want no tokens.
pub(crate) fn document<'a>(tasks: impl Iterator<Item = &'a Published>, open: bool) -> Value {
    let mut head = Head::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut head.info.version);
    let mut document = serde_json::to_value(head).expect("it is made of texts and maps");
    let mut paths = Map::new();
    for operation in paths::operations() {
        let (path, method) = (operation.path, operation.method);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation.into_value(open);
    }
    document["paths"] = paths.into();
    let components = &mut document["components"];
    components["responses"] = paths::problem_responses().into();
    components["securitySchemes"] = json!({"token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tk_<id>_<secret>",
        "description": "A token of this server; the scopes of an operation are those of which one is needed.",
    }});
    if let Some(schemas) = components["schemas"].as_object_mut() {
        if let Some(pause) = schemas.get_mut("Pause") {
            pause["pattern"] = "^[1-9][0-9]{0,3}(ms|s|m|h|d|w)$".into();
        }
        if let Some(when) = schemas.get_mut("When") {
            when["anyOf"] = json!([{"format": "date-time"}, {"pattern": PAUSE, "minLength": 2}]);
        }
        bulk::put(schemas);
        tasks::put(schemas, tasks);
    }
    document
}

/// Every operation, as method and path, with the scopes of which a token needs one.
#[cfg(test)]
pub(crate) fn rules() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    paths::operations().iter().map(|operation| (operation.method, operation.path, operation.scopes)).collect()
}
