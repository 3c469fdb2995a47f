//! The middleware: gives each request its nonce, and each answer its headers.
//!
//! It belongs outermost, that is last in the order of `wrap`: what answers further out goes without a policy, and
//! compression further in does not mind.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as or_wait};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::{Error, HttpMessage as _};

use super::answer::{Answering, Setup};
use super::live::LivePolicy;
use super::pairs::Pairs;
use super::policies::Policies;
use super::policy::Policy;
use super::slot::Slot;
use crate::access::{Facts, Network};

/// Gives each request its [`Nonce`](super::Nonce), and each answer its headers. Wrap it around the application last,
/// so that it is outermost.
///
/// Pages (HTML, SVG, XML) get the policies of the application, or what their route says by
/// [`CspOverride`](super::CspOverride); everything else gets [`Policy::for_data`]. An answer that brings the header
/// itself keeps it. `304 Not Modified` gets none: the page that the browser kept has its own, with its own nonce.
/// A page that used the nonce is kept by no cache.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use callboard_http::csp::{Csp, Nonce, Policy, Source};
///
/// async fn home(nonce: Nonce) -> actix_web::Result<web::Html> {
///     let attr = nonce.attr().map_err(actix_web::error::ErrorInternalServerError)?;
///     Ok(web::Html::new(format!("<!doctype html><script{attr}>console.log('I run')</script>")))
/// }
///
/// #[actix_web::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let policy = Policy::strict().script_src([Source::Nonce, Source::StrictDynamic]).build()?;
///     let app = move || App::new().route("/", web::get().to(home)).wrap(Csp::new(policy.clone()));
///     HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Csp(Setup);

impl Csp {
    /// The middleware of these policies.
    pub fn new(policies: impl Into<Policies>) -> Self {
        Self::live(&LivePolicy::new(policies))
    }

    /// The middleware of policies that may change.
    #[must_use]
    pub fn live(live: &LivePolicy) -> Self {
        Self(Setup {
            live: live.clone(),
            other: Some(Policy::for_data()),
            pairs: Pairs::default(),
            proxies: Vec::new(),
        })
    }

    /// The policy of answers that are no pages; `None`: they get none.
    #[must_use]
    pub fn for_data(mut self, policy: Option<Policy>) -> Self {
        self.0.other = policy;
        self
    }

    /// The headers beside the policy.
    #[must_use]
    pub fn pairs(mut self, pairs: Pairs) -> Self {
        self.0.pairs = pairs;
        self
    }

    /// Peers whose word is believed that a request came to them by https.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: Vec<Network>) -> Self {
        self.0.proxies = proxies;
        self
    }
}

impl fmt::Debug for Csp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csp({:?})", self.0.live)
    }
}

impl<S, B> Transform<S, ServiceRequest> for Csp
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = CspService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(CspService { inner, setup: Arc::new(self.0.clone()) }))
    }
}

/// A [`Csp`] at work.
pub struct CspService<S> {
    inner: S,
    setup: Arc<Setup>,
}

impl<S> fmt::Debug for CspService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CspService({:?})", self.setup.live)
    }
}

impl<S, B> Service<ServiceRequest> for CspService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Answer<S::Future>;

    actix_web::dev::forward_ready!(inner);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let secure = if self.setup.proxies.is_empty() {
            req.app_config().secure()
        } else {
            Facts::of(req.head(), req.app_config().secure()).scheme(&self.setup.proxies) == "https"
        };
        let known = req.extensions().get::<Slot>().cloned();
        let slot = known.unwrap_or_else(|| {
            let slot = Slot::new();
            req.extensions_mut().insert(slot.clone());
            slot
        });
        let answering = Answering { setup: Arc::clone(&self.setup), slot, secure };
        Answer { inner: Box::pin(self.inner.call(req)), answering }
    }
}

/// The answer of an application on its way through a [`Csp`].
pub struct Answer<F> {
    // No request is kept here: the framework wants the only handle to it while it finds its route.
    inner: Pin<Box<F>>,
    answering: Answering,
}

impl<F> fmt::Debug for Answer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(..)")
    }
}

impl<F, B> Future for Answer<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<B>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match or_wait!(self.inner.as_mut().poll(context)) {
            Ok(mut response) => {
                let failed = response.response().error().is_some();
                let route = response.request().clone();
                let head = response.response_mut().head_mut();
                self.answering.write(head, failed, || route.match_pattern());
                Ok(response)
            }
            // Such an error passes by middleware that only looks at answers; so it becomes one that has its headers.
            Err(error) => {
                let mut response = error.error_response();
                self.answering.write(response.head_mut(), true, || None);
                Err(InternalError::from_response(error, response).into())
            }
        })
    }
}
