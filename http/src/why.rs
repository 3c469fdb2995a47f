//! `GET /tasks/{id}/why`: why a task is not running.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json;
use crate::tasks::id_of;

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    Query::of(&req, &[])?;
    let why = state.board.why(id_of(&req)?).await?;
    let mut body = Vec::with_capacity(256);
    let mut object = Object::open(&mut body);
    object.value("runnable", &why.runnable);
    object.list("reasons", &why.reasons, |out, reason| {
        let mut item = Object::open(out);
        item.text("code", reason.code.as_str()).text("detail", &reason.detail);
        item.close();
    });
    object.close();
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body))
}
