//! `/ui/`: the dashboard. Pages are made here, on the server; they need no script, and load nothing from elsewhere.
//!
//! A page is a template, its context a struct of this module, and what can be done on it a form. Each handler insists on
//! the same rights as the route for programs that does the same.

mod actions;
mod audit;
mod csp_reports;
mod docs;
mod frame;
mod lists;
mod login;
mod overview;
mod problems;
mod queues;
mod render;
mod rows;
mod schedules;
mod task;
mod workers;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::csp::{Csp, Pairs, Policy, Source};
use crate::problem::{Kind, Problem};
use crate::routes::Mount;
use crate::state::State;

#[cfg(test)]
pub(crate) use self::frame::style_version;
pub(crate) use self::render::{compile, refusal};

/// The style of all pages.
const STYLE: &str = include_str!("ui.css");

/// Mounts the dashboard and the pages of the documentation.
pub(crate) fn mount(mount: &mut Mount<'_>) {
    mount.page("/ui").get(front);
    mount.page("/ui/").get(overview::get);
    mount.page("/ui/tasks").get(lists::get);
    mount.page("/ui/tasks/{id}").get(task::get);
    mount.page("/ui/tasks/{id}/{action}").post(actions::task);
    mount.page("/ui/queues").get(queues::get);
    mount.page("/ui/queues/{queue}/{action}").post(actions::queue);
    mount.page("/ui/schedules").get(schedules::get);
    mount.page("/ui/schedules/{name}/{action}").post(actions::schedule);
    mount.page("/ui/workers").get(workers::get);
    mount.page("/ui/csp").get(csp_reports::get);
    mount.page("/ui/audit").get(audit::get);
    mount.page("/ui/login").open().get(login::get).post(login::post);
    mount.page("/ui/logout").open().post(login::leave);
    mount.page("/ui/static/{version}/ui.css").open().get(style);
    mount.page("/docs").get(docs::get);
    mount.document("/problems").get(front);
    mount.document("/problems/").get(problems::list);
    mount.document("/problems/{slug}").get(problems::one);
}

/// The policy of the pages: nothing that does not carry the nonce, and nothing from elsewhere.
pub(crate) fn policy() -> Csp {
    let policy = Policy::strict()
        .script_src([Source::Nonce, Source::StrictDynamic])
        .style_src([Source::SelfOrigin, Source::Nonce])
        .img_src(Source::SelfOrigin)
        .require_trusted_types()
        .build()
        .expect("the policy is well-formed");
    Csp::new(policy).pairs(Pairs::default())
}

/// `GET /ui` and `GET /problems`: the pages stand below a path that ends in a slash, so that their links are short.
async fn front(req: HttpRequest) -> HttpResponse {
    let to = format!("{}/", req.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish()
}

/// `GET /ui/static/{version}/ui.css`: the path changes with the content, so it may be kept for ever.
async fn style(req: HttpRequest) -> Result<HttpResponse, Problem> {
    if req.match_info().query("version") != frame::style_version() {
        return Err(Problem::new(Kind::NotFound, format!("there is nothing at {}", req.path())));
    }
    let caching = HeaderValue::from_static("public, max-age=31536000, immutable");
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let mut response = HttpResponse::Ok();
    Ok(response.insert_header((header::CONTENT_TYPE, kind)).insert_header((header::CACHE_CONTROL, caching)).body(STYLE))
}

/// Where a route is mounted, from the path of a request to it and its own path.
fn prefix<'a>(req: &'a HttpRequest, own: &str) -> &'a str {
    let slashes = own.matches('/').count();
    let path = req.path();
    path.rmatch_indices('/').nth(slashes - 1).map_or("", |(at, _)| &path[..at])
}

/// The state, as handlers get it.
type Shared = actix_web::web::Data<State>;
