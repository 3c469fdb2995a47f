//! The registered tasks in the document: a schema for the calls of each, so that it says what this server takes.

use callboard_tasks::{Published, PublishedParameter};
use serde_json::{Map, Value, json};

use crate::schema;

/// Puts the tasks into the schemas of the document: `Call` becomes one of theirs.
pub(super) fn put<'a>(schemas: &mut Map<String, Value>, tasks: impl Iterator<Item = &'a Published>) {
    let Some(Value::Object(general)) = schemas.get("Call").cloned() else { return };
    let (mut variants, mut mapping) = (Vec::new(), Map::new());
    for task in tasks {
        let name = format!("Call.{}", task.name.replace(':', "_"));
        let reference = format!("#/components/schemas/{name}");
        variants.push(json!({"$ref": reference}));
        mapping.insert(task.name.clone(), reference.into());
        schemas.insert(name, of(task, &general));
    }
    if variants.is_empty() {
        return;
    }
    let description = general.get("description").cloned().unwrap_or_default();
    let discriminator = json!({"propertyName": "task", "mapping": mapping});
    schemas
        .insert("Call".into(), json!({"description": description, "oneOf": variants, "discriminator": discriminator}));
}

/// The calls of one task: as all calls are, with its name and its arguments.
fn of(task: &Published, general: &Map<String, Value>) -> Value {
    let mut call = Value::Object(general.clone());
    let needs_args = task.parameters.iter().any(|parameter| parameter.required);
    call["description"] = task.description.clone().into();
    call["properties"]["task"] = json!({"type": "string", "enum": [task.name]});
    call["properties"]["args"] = args(&task.parameters);
    call["required"] = if needs_args { json!(["task", "args"]) } else { json!(["task"]) };
    call
}

/// The arguments of a task, by name or by position.
fn args(parameters: &[PublishedParameter]) -> Value {
    let schema = |parameter: &PublishedParameter| schema::of(parameter).unwrap_or_else(|| json!({}));
    let properties: Map<_, _> = parameters.iter().map(|p| (p.name.clone(), schema(p))).collect();
    let required: Vec<_> = parameters.iter().filter(|p| p.required).map(|p| p.name.clone()).collect();
    let by_name = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let least = parameters.iter().rposition(|parameter| parameter.required).map_or(0, |last| last + 1);
    let mut by_position = json!({"type": "array", "minItems": least, "maxItems": parameters.len()});
    if !parameters.is_empty() {
        by_position["prefixItems"] = parameters.iter().map(schema).collect();
    }
    if least == 0 {
        return json!({"anyOf": [by_name, by_position, {"type": "null"}]});
    }
    json!({"anyOf": [by_name, by_position]})
}
