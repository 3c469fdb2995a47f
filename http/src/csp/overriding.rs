//! What a route says in place of the application's policies.

use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Once};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _, HttpRequest};
use arc_swap::ArcSwapOption;
use tracing::{error, warn};

use super::delta::Delta;
use super::live::{Current, LivePolicy};
use super::policy::Policy;
use super::problem::{PolicyError, PolicyProblem};
use super::slot::Slot;

/// What a route says in place of the application's policies: for one header or both, a whole policy (Django's
/// `csp_override`, `csp_report_only_override`), some changes, or nothing at all for a reason.
///
/// Wrapped around a route, resource or scope, the one nearest to the handler wins; a handler itself has the last word
/// by [`set`](Self::set). It is for the route's own answers: those of errors have the application's policies.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use callboard_http::csp::{Csp, CspOverride, Policy, Source};
///
/// let base = Policy::strict().build()?;
/// let map = Policy::strict().img_src(Source::host("https://tiles.example.com")?).build()?;
/// let app = App::new()
///     .route("/map", web::get().to(HttpResponse::Ok).wrap(CspOverride::enforce(map)))
///     .route("/legacy", web::get().to(HttpResponse::Ok).wrap(CspOverride::off("its scripts are inline until spring")))
///     .wrap(Csp::new(base)); // the last one is the outermost, where it belongs
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CspOverride {
    pub(crate) enforce: Option<Choice>,
    pub(crate) report_only: Option<Choice>,
}

/// What is said in place of one policy.
#[derive(Clone)]
pub(crate) enum Choice {
    Policy(Policy),
    Changed(Arc<Changed>),
    Off(Cow<'static, str>),
}

/// Changes, and the policy that they last made.
pub(crate) struct Changed {
    delta: Delta,
    /// The revision of the policies of which it was made.
    made: ArcSwapOption<(u64, Option<Policy>)>,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => policy.fmt(f),
            Self::Changed(changed) => changed.delta.fmt(f),
            Self::Off(reason) => write!(f, "Off({reason:?})"),
        }
    }
}

impl CspOverride {
    /// Enforces this policy instead.
    #[must_use]
    pub fn enforce(policy: Policy) -> Self {
        Self { enforce: Some(Choice::Policy(policy)), report_only: None }
    }

    /// Reports by this policy instead.
    #[must_use]
    pub fn report_only(policy: Policy) -> Self {
        Self { enforce: None, report_only: Some(Choice::Policy(policy)) }
    }

    /// Enforces nothing, for this reason; see [`LivePolicy::exemptions`].
    pub fn enforce_off(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { enforce: Some(Choice::Off(reason.into())), report_only: None }
    }

    /// Reports by no policy, for this reason.
    pub fn report_only_off(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { enforce: None, report_only: Some(Choice::Off(reason.into())) }
    }

    /// Neither enforces nor reports, for this reason.
    pub fn off(reason: impl Into<Cow<'static, str>>) -> Self {
        let off = Choice::Off(reason.into());
        Self { enforce: Some(off.clone()), report_only: Some(off) }
    }

    /// Enforces what holds with these changes; later changes of what holds keep them.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if they do not fit to what holds now.
    pub fn merge(live: &LivePolicy, delta: Delta) -> Result<Self, PolicyError> {
        let current = live.current();
        let choice = Changed::checked(current.policies.enforce.as_ref(), current.revision, delta)?;
        Ok(Self { enforce: Some(choice), report_only: None })
    }

    /// Reports by what holds with these changes; later changes of what holds keep them.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if they do not fit to what holds now.
    pub fn merge_report_only(live: &LivePolicy, delta: Delta) -> Result<Self, PolicyError> {
        let current = live.current();
        let choice = Changed::checked(current.policies.report_only.as_ref(), current.revision, delta)?;
        Ok(Self { enforce: None, report_only: Some(choice) })
    }

    /// This, and what the other says.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.lay_over(other);
        self
    }

    /// Says so for the answer to this one request.
    pub fn set(&self, req: &HttpRequest) {
        match req.extensions().get::<Slot>() {
            Some(slot) => slot.choose(self),
            None => nobody_listens(),
        }
    }

    pub(crate) fn lay_over(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.enforce, &other.enforce), (&mut self.report_only, &other.report_only)] {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
    }
}

impl Changed {
    fn checked(base: Option<&Policy>, revision: u64, delta: Delta) -> Result<Choice, PolicyError> {
        let none =
            || PolicyError { problems: vec![PolicyProblem::new("", "is not there, so nothing can be changed in it")] };
        let policy = base.ok_or_else(none)?.merge(&delta)?;
        let made = ArcSwapOption::from_pointee((revision, Some(policy)));
        Ok(Choice::Changed(Arc::new(Self { delta, made })))
    }

    /// The policy that the changes make of what holds now.
    fn of(&self, base: Option<&Policy>, revision: u64) -> Option<Policy> {
        let made = self.made.load();
        if let Some(made) = made.as_ref().filter(|made| made.0 == revision) {
            return made.1.clone();
        }
        let policy = base.map(|base| {
            base.merge(&self.delta).unwrap_or_else(|problem| {
                error!(%problem, "a route's changes do not fit the new content security policy, which holds there as it is");
                base.clone()
            })
        });
        self.made.store(Some(Arc::new((revision, policy.clone()))));
        policy
    }
}

impl Choice {
    /// The policy that was chosen; `base` is what would hold without.
    pub(crate) fn policy(&self, base: Option<&Policy>, current: &Current) -> Option<Policy> {
        match self {
            Self::Policy(policy) => Some(policy.clone()),
            Self::Changed(changed) => changed.of(base, current.revision),
            Self::Off(_) => None,
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Off(reason) => Some(reason),
            _ => None,
        }
    }
}

fn nobody_listens() {
    static SAID: Once = Once::new();
    SAID.call_once(|| warn!("a CspOverride does nothing, because no Csp middleware is wrapped around the application"));
}

impl<S, B> Transform<S, ServiceRequest> for CspOverride
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Overriding<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Overriding { inner, chosen: self.clone() }))
    }
}

/// A [`CspOverride`] at work.
#[derive(Debug)]
pub struct Overriding<S> {
    inner: S,
    chosen: CspOverride,
}

impl<S, B> Service<ServiceRequest> for Overriding<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = S::Future;

    actix_web::dev::forward_ready!(inner);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        self.chosen.set(req.request());
        self.inner.call(req)
    }
}
