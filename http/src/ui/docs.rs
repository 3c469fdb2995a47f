//! `GET /docs`: the OpenAPI document as a page to read.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::frame::Frame;
use super::{Shared, prefix, render};
use crate::openapi;
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    groups: BTreeMap<String, Vec<Operation>>,
    schemas: Vec<Schema>,
}

#[derive(Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    scopes: Vec<String>,
    parameters: Vec<Parameter>,
    /// The schema of the body.
    body: Option<String>,
    answers: Vec<Answer>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    place: String,
    required: bool,
    description: String,
    schema: String,
}

#[derive(Serialize)]
struct Answer {
    status: String,
    description: String,
    schema: Option<String>,
}

#[derive(Serialize)]
struct Schema {
    name: String,
    description: String,
    text: String,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    openapi::may_read(&state.caller(&req))?;
    Query::of(&req, &[])?;
    let document = openapi::for_request(&req, &state, "/docs").await?;
    let mut groups: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let group = text(&operation["tags"][0]);
            groups.entry(group).or_default().push(Operation::of(&document, path, method, operation));
        }
    }
    let schemas = members(&document["components"]["schemas"]).map(|(name, schema)| Schema {
        name: name.clone(),
        description: text(&schema["description"]),
        text: serde_json::to_string_pretty(schema).unwrap_or_default(),
    });
    let schemas = schemas.collect();
    let frame = Frame::of(&req, &state, prefix(&req, "/docs"), "docs", "The interface for programs");
    render::page(StatusCode::OK, "docs.html", Page { frame, groups, schemas })
}

impl Operation {
    fn of(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameter = |parameter: &Value| Parameter {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            required: parameter["required"] == true,
            description: text(&parameter["description"]),
            schema: brief(&parameter["schema"]),
        };
        let answer = |(status, answer): (&String, &Value)| {
            let answer = resolve(document, answer);
            let schema = members(&answer["content"]).next().map(|(_, content)| brief(&content["schema"]));
            Answer { status: status.clone(), description: text(&answer["description"]), schema }
        };
        let scopes = operation["security"].as_array().into_iter().flatten();
        let scopes = scopes.filter_map(|one| Some(text(one.get("token")?.get(0)?)));
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            scopes: scopes.collect(),
            parameters: operation["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
            body: members(&operation["requestBody"]["content"]).next().map(|(_, content)| brief(&content["schema"])),
            answers: members(&operation["responses"]).map(answer).collect(),
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|reference| document.pointer(&reference[1..]));
    target.unwrap_or(value)
}

/// A schema in a word or two: the name that it refers to, or its type.
fn brief(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match (schema.get("type").and_then(Value::as_str), schema.get("format").and_then(Value::as_str)) {
        (Some(kind), Some(format)) => format!("{kind} ({format})"),
        (Some(kind), None) => kind.to_owned(),
        _ => "any JSON".to_owned(),
    }
}
