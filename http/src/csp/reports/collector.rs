//! The door for reports: what a request must be like, and what becomes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::Addr;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use callboard_tasks::Clock;
use parking_lot::Mutex;

use super::actor::{CspReports, GetReports, ReceiveViolations};
use super::buckets::Buckets;
use super::desk::ReportSummary;
use super::normalise::{Circumstances, normalise};
use super::origins::Origins;
use super::parse::{Format, parse};
use crate::access::{Facts, Network};
use crate::body;
use crate::config::Limits;
use crate::problem::{Kind, Problem};
use crate::request_id::RequestId;
use crate::routes::wrong_method;

/// How many reports are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportLimits {
    /// The largest body, in bytes; 64 KiB.
    pub body: usize,
    /// How long a body may take to arrive; 5 s.
    pub body_time: Duration,
    /// Requests from one client in a minute; 20.
    pub per_client_minute: u32,
    /// Requests from all in a second; 100.
    pub per_second: u32,
}

impl Default for ReportLimits {
    fn default() -> Self {
        Self { body: 64 * 1024, body_time: Duration::from_secs(5), per_client_minute: 20, per_second: 100 }
    }
}

/// The door for reports, in front of a [`CspReports`] actor: as [`HttpConfig::csp_reports`](crate::HttpConfig) for the
/// routes of a board, or by [`resource`](Self::resource) in any application. A cheap clone; all clones count together.
#[derive(Clone)]
pub struct Collector {
    to: Addr<CspReports>,
    limits: ReportLimits,
    origins: Origins,
    proxies: Vec<Network>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    buckets: Mutex<Buckets>,
    dropped: AtomicU64,
    clock: Clock,
}

impl Collector {
    /// A door in front of that actor.
    #[must_use]
    pub fn new(reports: &Addr<CspReports>) -> Self {
        Self {
            to: reports.clone(),
            limits: ReportLimits::default(),
            origins: Origins::default(),
            proxies: Vec::new(),
            shared: Arc::default(),
        }
    }

    /// How many reports are taken.
    #[must_use]
    pub fn limits(mut self, limits: ReportLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Origins whose pages may report here besides our own, as in `https://www.example.com`.
    #[must_use]
    pub fn allow_origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins = Origins(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Peers whose word is believed for whom they ask, and whether by https.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: Vec<Network>) -> Self {
        self.proxies = proxies;
        self
    }

    /// How many requests brought reports that were dropped, because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Takes reports at that path of an application, by `POST`. Its errors are `application/problem+json`.
    #[must_use]
    pub fn resource(&self, path: &str) -> Resource {
        web::resource(path)
            .app_data(web::Data::new(self.clone()))
            .route(web::post().to(stand_alone))
            .route(
                web::method(Method::OPTIONS)
                    .to(|req: HttpRequest, collector: web::Data<Self>| async move { options(&req, &collector) }),
            )
            .default_service(web::to(|req: HttpRequest| async move {
                let answer = wrong_method(req.clone(), HeaderValue::from_static("POST, OPTIONS")).await;
                answer.unwrap_or_else(|problem| shown(&problem, &req))
            }))
    }

    /// What is known of the reports so far; `None` if the actor behind has ended.
    pub(crate) async fn summary(&self) -> Option<ReportSummary> {
        self.to.send(GetReports).await.ok()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.to.connected()
    }

    fn take(&self, facts: &Facts<'_>) -> Result<(), Problem> {
        let client = facts.client(&self.proxies);
        self.shared.buckets.lock().take(client, &self.limits, Instant::now()).map_err(|pause| {
            let pause = pause.as_secs() + 1;
            Problem::new(Kind::RateLimited, format!("too many reports; the next one is taken in {pause} s"))
                .header(header::RETRY_AFTER, HeaderValue::from(pause))
        })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("limits", &self.limits)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// Takes the reports of a request in: `204`, also for what is dropped.
pub(crate) async fn post(
    req: &HttpRequest,
    payload: web::Payload,
    collector: &Collector,
) -> Result<HttpResponse, Problem> {
    let format = {
        let facts = Facts::of(req.head(), req.app_config().secure());
        collector.take(&facts)?;
        collector.origins.check(&facts, &collector.proxies)?;
        media_type(req)?
    };
    let ReportLimits { body: size, body_time, .. } = collector.limits;
    let body = body::read_within(req, payload, Limits { body: size, body_time, ..Limits::default() }).await?;
    let parsed = parse(format, &body).map_err(|problem| Problem::new(Kind::MalformedJson, problem.to_string()))?;

    let text = |name| req.headers().get(name).and_then(|value| value.to_str().ok());
    let about = Circumstances {
        now: collector.shared.clock.now(),
        user_agent: text(header::USER_AGENT).unwrap_or_default(),
        route: &|path| req.resource_map().match_pattern(path),
    };
    let sent = parsed.violations.len();
    let violations: Vec<_> = parsed.violations.iter().filter_map(|raw| normalise(raw, &about)).collect();
    let noise = (sent - violations.len()) as u64;
    let message = ReceiveViolations { violations, noise, others: parsed.others as u64 };
    if collector.to.try_send(message).is_err() {
        collector.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = HttpResponse::NoContent();
    collector.origins.answer(text(header::ORIGIN), &mut response);
    Ok(response.finish())
}

/// What may be asked here, and by whose pages.
pub(crate) fn options(req: &HttpRequest, collector: &Collector) -> HttpResponse {
    let origin = req.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let mut response = HttpResponse::NoContent();
    response.insert_header((header::ALLOW, HeaderValue::from_static("POST, OPTIONS")));
    collector.origins.answer(origin, &mut response);
    response.finish()
}

fn media_type(req: &HttpRequest) -> Result<Format, Problem> {
    const ACCEPT: HeaderValue =
        HeaderValue::from_static("application/csp-report, application/reports+json, application/json");
    let unsupported =
        |detail: &'static str| Problem::new(Kind::UnsupportedMediaType, detail).header(header::ACCEPT, ACCEPT);
    // Packed ones could be of any size.
    if req.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("a body must come without a content encoding"));
    }
    let kind = req.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.and_then(Format::of).ok_or_else(|| {
        unsupported("the body must be application/csp-report or application/reports+json, as browsers send them")
    })
}

/// The handler in an application that is not ours, where nobody else writes problems out.
async fn stand_alone(req: HttpRequest, payload: web::Payload, collector: web::Data<Collector>) -> HttpResponse {
    let answer = post(&req, payload, &collector).await;
    answer.unwrap_or_else(|problem| shown(&problem, &req))
}

fn shown(problem: &Problem, req: &HttpRequest) -> HttpResponse {
    let inbound = req.headers().get("x-request-id");
    problem.respond(Some(RequestId::of(inbound, Clock::default().now()).as_str()))
}
