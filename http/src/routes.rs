//! Every route on one page.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, guard, web};
use callboard_actors::Callboard;

use crate::config::HttpConfig;
use crate::edge::Edge;
use crate::problem::{Kind, Problem};
use crate::state::State;
use crate::{
    bulk, csp, enqueue, events, health, list, metrics, openapi, queues, registry, schedules, tasks, ui, why, workers,
};

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
    cfg.app_data(web::Data::from(Arc::clone(state)));
    let mut mount = Mount { cfg, state };
    mount.at("/enqueue").post(enqueue::post);
    mount.at("/enqueue/batch").post(enqueue::post_batch);
    mount.at("/bulk").post(bulk::post);
    mount.at("/tasks").get(list::get);
    mount.at("/tasks/{id}").get(tasks::get).patch(tasks::patch).delete(tasks::delete);
    mount.at("/tasks/{id}/result").get(tasks::result);
    mount.at("/tasks/{id}/events").get(events::get);
    mount.at("/tasks/{id}/why").get(why::get);
    mount.at("/tasks/{id}/cancel").post(tasks::cancel);
    mount.at("/tasks/{id}/retry").post(tasks::retry);
    mount.at("/tasks/{id}/run-now").post(tasks::run_now);
    // Whatever else is below /tasks is ours as well, and there is no such thing.
    mount.cfg.service(web::resource("/tasks/{rest:.*}").to(not_found).wrap(Edge::new(state, "/tasks/*")));
    mount.at("/schedules").get(schedules::list);
    mount.at("/schedules/{name}/run").post(schedules::run);
    mount.at("/schedules/{name}/pause").post(schedules::pause);
    mount.at("/schedules/{name}/resume").post(schedules::resume);
    mount.at("/queues").get(queues::list);
    mount.at("/queues/{queue}").get(queues::get).patch(queues::patch);
    mount.at("/queues/{queue}/pause").post(queues::pause);
    mount.at("/queues/{queue}/resume").post(queues::resume);
    mount.at("/workers").get(workers::get);
    mount.at("/metrics").get(metrics::get);
    mount.at("/openapi.json").get(openapi::get);
    mount.at("/registry").get(registry::get);
    mount.at("/csp/reports").door(Edge::open).options(csp_reports_options).post(csp_reports);
    ui::mount(&mut mount);
    mount.health();
}

/// Mounts the two routes for machines that look after processes, and no others.
pub(crate) fn mount_health(cfg: &mut web::ServiceConfig, state: &Arc<State>) {
    cfg.app_data(web::Data::from(Arc::clone(state)));
    Mount { cfg, state }.health();
}

/// The answer to every path that is not ours.
pub(crate) fn default(state: &Arc<State>) -> Route {
    web::to(not_found).wrap(Edge::new(state, "*"))
}

/// Mounts one path after the other, and notes what there is.
pub(crate) struct Mount<'a> {
    cfg: &'a mut web::ServiceConfig,
    state: &'a Arc<State>,
}

impl<'a> Mount<'a> {
    /// A path of the dashboard: its answers are pages, also those that are errors.
    pub(crate) fn page<'m>(&'m mut self, path: &'static str) -> At<'m, 'a> {
        let mut at = self.at(path).door(Edge::page);
        at.page = true;
        at
    }

    /// A path with pages for everybody, which programs read as well.
    pub(crate) fn document<'m>(&'m mut self, path: &'static str) -> At<'m, 'a> {
        let mut at = self.at(path).door(Edge::document).door(Edge::public);
        at.page = true;
        at
    }

    /// A path, mounted when its methods are complete.
    fn at<'m>(&'m mut self, path: &'static str) -> At<'m, 'a> {
        let edge = Edge::new(self.state, path);
        At { mount: self, path, edge: Some(edge), page: false, methods: Vec::new(), options: None }
    }

    fn health(&mut self) {
        self.at("/healthz").door(Edge::public).get(health::alive);
        self.at("/readyz").door(Edge::public).get(health::ready);
    }
}

/// A path with its methods.
pub(crate) struct At<'m, 'a> {
    mount: &'m mut Mount<'a>,
    path: &'static str,
    edge: Option<Edge>,
    page: bool,
    methods: Vec<(&'static str, Route)>,
    options: Option<Route>,
}

impl At<'_, '_> {
    /// Whom it lets in, other than callers with a right to be here.
    fn door(mut self, open: impl FnOnce(Edge) -> Edge) -> Self {
        self.edge = self.edge.take().map(open);
        self
    }

    /// Lets everybody in.
    pub(crate) fn open(self) -> Self {
        self.door(Edge::open)
    }

    /// GET, and HEAD, which is GET without the body.
    pub(crate) fn get<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("GET, HEAD", web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler))
    }

    pub(crate) fn post<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("POST", web::post().to(handler))
    }

    fn patch<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("PATCH", web::patch().to(handler))
    }

    fn delete<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("DELETE", web::delete().to(handler))
    }

    /// An answer of its own to OPTIONS.
    fn options<F, A>(mut self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.options = Some(web::method(Method::OPTIONS).to(handler));
        self
    }

    fn with(mut self, name: &'static str, route: Route) -> Self {
        self.methods.push((name, route));
        self
    }
}

/// A path answers OPTIONS with its methods, and every other method with 405.
impl Drop for At<'_, '_> {
    fn drop(&mut self) {
        let (names, routes): (Vec<_>, Vec<_>) = std::mem::take(&mut self.methods).into_iter().unzip();
        let allow = format!("{}, OPTIONS", names.join(", "));
        self.mount.state.note_route(self.path, &allow);
        let header = HeaderValue::try_from(allow).expect("methods are visible ASCII");
        let resource = web::resource(self.path)
            .default_service(web::to(move |req: HttpRequest| wrong_method(req, header.clone())));
        let resource = routes.into_iter().chain(self.options.take()).fold(resource, Resource::route);
        let edge = self.edge.take().expect("it is taken here alone");
        if self.page {
            // Outermost, so that answers of the edge have the policy as well.
            self.mount.cfg.service(resource.wrap(edge).wrap(ui::policy()));
        } else {
            self.mount.cfg.service(resource.wrap(edge));
        }
    }
}

/// OPTIONS with the methods that there are, or 405.
pub(crate) async fn wrong_method(req: HttpRequest, allow: HeaderValue) -> Result<HttpResponse, Problem> {
    match *req.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish()),
        ref method => {
            let there_are = allow.to_str().unwrap_or_default();
            let detail = format!("{method} is not allowed here; there are {there_are}");
            Err(Problem::new(Kind::MethodNotAllowed, detail).header(header::ALLOW, allow))
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

async fn not_found(req: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::new(Kind::NotFound, format!("there is nothing at {}", req.path())))
}
