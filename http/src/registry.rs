//! `GET /registry`: the tasks that can be enqueued over HTTP.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{Published, PublishedParameter};

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::{schema, task_json};

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    // Whoever may enqueue must be able to see what.
    if !caller.has(&Right::EnqueueAny) {
        caller.must(Right::Read)?;
    }
    Query::of(&req, &[])?;
    let published = state.board.published().await?;
    let open = published.values().filter(|task| task.http);
    let mut body = Vec::with_capacity(256 * (published.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", open, write_task);
    object.close();
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body))
}

fn write_task(out: &mut Vec<u8>, task: &Published) {
    let mut object = Object::open(out);
    object.text("name", &task.name).text("description", &task.description).text("queue", &task.queue);
    object.list("parameters", &task.parameters, write_parameter);
    object.close();
}

/// A parameter; `schema` and `default` are there only where there is one.
fn write_parameter(out: &mut Vec<u8>, parameter: &PublishedParameter) {
    let mut object = Object::open(out);
    object.text("name", &parameter.name).text("type", &parameter.type_name).value("required", &parameter.required);
    if let Some(schema) = schema::of(parameter) {
        object.value("schema", &schema);
    }
    if let Some(default) = &parameter.default {
        object.raw("default", default.as_str());
    }
    object.close();
}
