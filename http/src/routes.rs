//! Every route on one page.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};
use callboard_actors::Callboard;

use crate::config::HttpConfig;
use crate::edge::Edge;
use crate::problem::{Kind, Problem};
use crate::state::State;
use crate::{csp, enqueue, health, list, registry, tasks};

/// The routes of a board, to be mounted in an application of your own, at the root or under any prefix:
///
/// ```no_run
/// # async fn example(board: callboard_actors::Callboard) -> std::io::Result<()> {
/// use actix_web::{App, HttpServer, web};
///
/// HttpServer::new(move || {
///     App::new().service(web::scope("/background").configure(callboard_http::routes(&board)))
/// })
/// .bind("127.0.0.1:8080")?
/// .run()
/// .await
/// # }
/// ```
///
/// They are open to programs of this machine alone; [`routes_with`] says otherwise.
pub fn routes(board: &Callboard) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static + use<> {
    routes_with(board, HttpConfig::default())
}

/// The routes of a board, as `config` wants them. What only concerns a server of its own (threads, connections)
/// is not used.
pub fn routes_with(
    board: &Callboard,
    config: HttpConfig,
) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static + use<> {
    let state = Arc::new(State::new(board, config));
    move |cfg| mount(cfg, &state)
}

/// Mounts all routes.
pub(crate) fn mount(cfg: &mut web::ServiceConfig, state: &Arc<State>) {
    let edge = |route| Edge::new(state, route);
    cfg.app_data(web::Data::from(Arc::clone(state)))
        .service(resource("/enqueue", "POST, OPTIONS").route(web::post().to(enqueue::post)).wrap(edge("/enqueue")))
        .service(reading("/tasks").route(get().to(list::get)).wrap(edge("/tasks")))
        .service(reading("/tasks/{id}").route(get().to(tasks::get)).wrap(edge("/tasks/{id}")))
        .service(reading("/tasks/{id}/result").route(get().to(tasks::result)).wrap(edge("/tasks/{id}/result")))
        .service(
            resource("/tasks/{id}/cancel", "POST, OPTIONS")
                .route(web::post().to(tasks::cancel))
                .wrap(edge("/tasks/{id}/cancel")),
        )
        .service(
            resource("/tasks/{id}/retry", "POST, OPTIONS")
                .route(web::post().to(tasks::retry))
                .wrap(edge("/tasks/{id}/retry")),
        )
        // Whatever else is below /tasks is ours as well, and there is no such thing.
        .service(web::resource("/tasks/{rest:.*}").to(not_found).wrap(edge("/tasks/*")))
        .service(reading("/registry").route(get().to(registry::get)).wrap(edge("/registry")))
        .service(
            web::resource("/csp/reports")
                .route(web::post().to(csp_reports))
                .route(web::method(Method::OPTIONS).to(csp_reports_options))
                .default_service(web::to(|req: HttpRequest| wrong_method(req, "POST, OPTIONS")))
                .wrap(edge("/csp/reports").open()),
        )
        .service(reading("/problems/{slug}").route(get().to(problem_page)).wrap(edge("/problems/{slug}").public()))
        .service(reading("/healthz").route(get().to(health::alive)).wrap(edge("/healthz").public()))
        .service(reading("/readyz").route(get().to(health::ready)).wrap(edge("/readyz").public()));
}

/// The answer to every path that is not ours.
pub(crate) fn default(state: &Arc<State>) -> Route {
    web::to(not_found).wrap(Edge::new(state, "*"))
}

fn reading(path: &'static str) -> Resource {
    resource(path, "GET, HEAD, OPTIONS")
}

/// A resource with these methods: it answers OPTIONS with them, and every other method with 405.
fn resource(path: &'static str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |req: HttpRequest| wrong_method(req, allow)))
}

/// OPTIONS with the methods that there are, or 405.
pub(crate) async fn wrong_method(req: HttpRequest, allow: &'static str) -> Result<HttpResponse, Problem> {
    let header = (header::ALLOW, HeaderValue::from_static(allow));
    match *req.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header(header).finish()),
        ref method => {
            let detail = format!("{method} is not allowed here; there are {allow}");
            Err(Problem::new(Kind::MethodNotAllowed, detail).header(header.0, header.1))
        }
    }
}

/// `POST /csp/reports`: what browsers report. They send it without a token and whatever this server may change.
async fn csp_reports(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    csp::post(&req, payload, &state.csp_reports()).await
}

async fn csp_reports_options(req: HttpRequest, state: web::Data<State>) -> HttpResponse {
    csp::options(&req, &state.csp_reports())
}

/// GET, and HEAD, which is GET without the body.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn not_found(req: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::new(Kind::NotFound, format!("there is nothing at {}", req.path())))
}

/// `GET /problems/{slug}`: what a kind of problem means, for people who follow its `type`.
async fn problem_page(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let slug = req.match_info().query("slug");
    let Some(kind) = Kind::of_slug(slug) else {
        return Err(Problem::new(Kind::NotFound, format!("there is no problem {slug:?}")));
    };
    let page = format!("{} ({})\n\n{}\n", kind.title(), kind.status().as_u16(), kind.advice());
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(page))
}
