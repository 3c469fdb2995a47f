//! What `POST /bulk` takes: which conditions go with which action, so that the document says what this server takes.

use callboard_tasks::{BulkAction, Phase, Status};
use serde_json::{Map, Value, json};

/// The conditions, `backend` aside, which says only where to look.
const CONDITIONS: [&str; 7] = ["status", "phase", "task", "queue", "tag", "since", "until"];

/// Puts the bulk actions into the schemas of the document: `Bulk` becomes one of theirs.
pub(super) fn put(schemas: &mut Map<String, Value>) {
    let general = schemas.get("Bulk").cloned().unwrap_or_default();
    let mut variants = Vec::new();
    for action in BulkAction::ALL {
        variants.push(of(&general, action, &some(action), &json!([false, null])));
        // What runs again must be named by its status, so it is never all.
        if action != BulkAction::Retry {
            variants.push(of(&general, action, &every(), &json!([true])));
        }
    }
    schemas.insert("Bulk".into(), json!({"description": general["description"], "oneOf": variants}));
}

fn of(general: &Value, action: BulkAction, filter: &Value, all: &Value) -> Value {
    let mut bulk = general.clone();
    bulk["description"] = format!("Bulk action: {action}.").into();
    bulk["properties"]["action"] = json!({"type": "string", "enum": [action.as_str()]});
    bulk["properties"]["filter"] = filter.clone();
    bulk["properties"]["all"]["enum"] = all.clone();
    let mut required = vec!["action", "filter"];
    if all[0] == true {
        required.push("all");
    }
    bulk["required"] = required.into();
    bulk
}

/// Conditions of which there is at least one, and which some task can fit that takes the action.
fn some(action: BulkAction) -> Value {
    let phases: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| action.suits(*phase)).collect();
    let statuses: Vec<Value> = Status::ALL
        .into_iter()
        .filter(|status| phases.iter().any(|phase| phase.status() == *status))
        .map(|status| status.as_str().into())
        .collect();
    let phases: Vec<Value> = phases.into_iter().map(|phase| phase.as_str().into()).collect();
    let or_null = |names: &[Value]| -> Value { names.iter().cloned().chain([Value::Null]).collect() };
    let mut filter = filter(&json!({"enum": or_null(&statuses)}), &json!({"enum": or_null(&phases)}), false);
    let needed = if action == BulkAction::Retry { &CONDITIONS[..2] } else { &CONDITIONS };
    let one = |name: &&str| json!({"required": [name], "properties": {*name: {"type": "string"}}});
    filter["anyOf"] = needed.iter().map(one).collect();
    filter
}

/// No conditions.
fn every() -> Value {
    let null = json!({"type": "null"});
    filter(&null, &null, true)
}

fn filter(status: &Value, phase: &Value, empty: bool) -> Value {
    let or_null = |schema: Value| json!({"anyOf": [schema, {"type": "null"}]});
    let name = || or_null(json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_.:-]+$"}));
    let mut properties = Map::new();
    for condition in CONDITIONS {
        let schema = match condition {
            "status" => status.clone(),
            "phase" => phase.clone(),
            _ if empty => json!({"type": "null"}),
            "since" | "until" => or_null(json!({"type": "string", "format": "date-time"})),
            _ => name(),
        };
        properties.insert(condition.into(), schema);
    }
    properties.insert("backend".into(), name());
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// Puts the names of a server where the conditions ask for them.
pub(super) fn put_names(schema: &mut Value, backends: &Value, tasks: &Value) {
    for variant in schema["oneOf"].as_array_mut().into_iter().flatten() {
        let conditions = &mut variant["properties"]["filter"]["properties"];
        conditions["backend"] = json!({"enum": backends});
        if conditions["task"].get("anyOf").is_some() {
            conditions["task"] = json!({"enum": tasks});
        }
    }
}
