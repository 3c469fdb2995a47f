//! The policy that holds now: an actor that changes it, and a snapshot that requests read without a lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Actor, Context, Handler, Message, MessageResult};
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tracing::{info, warn};

use super::lint::Lint;
use super::policies::Policies;
use super::policy::Policy;

/// How many routes without a policy are remembered with their reasons.
const EXEMPTIONS: usize = 256;

/// The policies that hold now, shared by all threads. A cheap clone; give it to [`Csp::live`](super::Csp::live).
#[derive(Clone)]
pub struct LivePolicy(Arc<Live>);

struct Live {
    current: ArcSwap<Current>,
    counters: Counters,
    exemptions: Mutex<BTreeMap<String, String>>,
}

/// What holds at one moment.
pub(crate) struct Current {
    pub(crate) policies: Policies,
    pub(crate) revision: u64,
}

impl LivePolicy {
    /// These hold until others are set.
    pub fn new(policies: impl Into<Policies>) -> Self {
        let current = Current { policies: policies.into(), revision: 1 };
        Self(Arc::new(Live {
            current: ArcSwap::from_pointee(current),
            counters: Counters::default(),
            exemptions: Mutex::default(),
        }))
    }

    /// What holds now.
    #[must_use]
    pub fn policies(&self) -> Policies {
        self.0.current.load().policies.clone()
    }

    /// How often the policies have been set.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.0.current.load().revision
    }

    /// Changes what holds, for every response whose header is not written yet.
    pub fn set(&self, change: &SetPolicy) -> PolicyChanged {
        let next = |current: &Arc<Current>| {
            let mut policies = current.policies.clone();
            if let Some(enforce) = &change.enforce {
                policies.enforce.clone_from(enforce);
            }
            if let Some(report_only) = &change.report_only {
                policies.report_only.clone_from(report_only);
            }
            Current { policies, revision: current.revision + 1 }
        };
        let before = self.0.current.rcu(|current| Arc::new(next(current)));
        let now = next(&before);
        let lints = now.policies.lint();
        info!(revision = now.revision, lints = lints.len(), "the content security policy was changed");
        for lint in &lints {
            warn!(%lint, "the content security policy is weak");
        }
        PolicyChanged { revision: now.revision, lints }
    }

    /// What the middleware has noticed.
    #[must_use]
    pub fn counts(&self) -> CspCounts {
        self.0.counters.read()
    }

    /// The routes that were answered without a policy of ours, each with its reason.
    #[must_use]
    pub fn exemptions(&self) -> BTreeMap<String, String> {
        self.0.exemptions.lock().clone()
    }

    pub(crate) fn current(&self) -> Guard<Arc<Current>> {
        self.0.current.load()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn exempt(&self, route: String, reason: &str) {
        let mut known = self.0.exemptions.lock();
        if known.len() < EXEMPTIONS && known.get(&route).is_none_or(|old| old != reason) {
            known.insert(route, reason.to_owned());
        }
    }
}

impl fmt::Debug for LivePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.0.current.load();
        f.debug_struct("LivePolicy")
            .field("revision", &current.revision)
            .field("policies", &current.policies)
            .finish_non_exhaustive()
    }
}

/// What the middleware has noticed since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CspCounts {
    /// Answers that brought another policy of their own, which won.
    pub header_conflicts: u64,
    /// Pages that used the nonce though their policy has no place for it: what carries it does not run.
    pub nonces_without_place: u64,
    /// Pages that did not use the nonce for which their policy has a place.
    pub nonces_unused: u64,
    /// Answers with a nonce that a cache could have kept, and was told not to.
    pub caching_prevented: u64,
    /// Answers whose header could not be written, and that got the strictest one instead.
    pub unfit_headers: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) header_conflicts: AtomicU64,
    pub(crate) nonces_without_place: AtomicU64,
    pub(crate) nonces_unused: AtomicU64,
    pub(crate) caching_prevented: AtomicU64,
    pub(crate) unfit_headers: AtomicU64,
}

impl Counters {
    fn read(&self) -> CspCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CspCounts {
            header_conflicts: read(&self.header_conflicts),
            nonces_without_place: read(&self.nonces_without_place),
            nonces_unused: read(&self.nonces_unused),
            caching_prevented: read(&self.caching_prevented),
            unfit_headers: read(&self.unfit_headers),
        }
    }
}

/// Counts, and says whether to tell the log: at the first time, the second, the fourth, ...
pub(crate) fn count(counter: &AtomicU64) -> bool {
    (counter.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
}

/// The actor that holds the policies of an application; [`SetPolicy`] changes them without a restart.
///
/// ```
/// use actix::Actor as _;
/// use callboard_http::csp::{Csp, CspPolicy, LivePolicy, Policy, SetPolicy, Source};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let live = LivePolicy::new(Policy::strict().build()?);
/// let actor = CspPolicy::new(live.clone()).start();
/// let middleware = Csp::live(&live); // one for each App
///
/// let wider = Policy::strict().img_src(Source::SelfOrigin).build()?;
/// let changed = actor.send(SetPolicy::enforce(wider)).await?;
/// assert_eq!(changed.revision, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CspPolicy(LivePolicy);

impl CspPolicy {
    /// The actor of these policies.
    #[must_use]
    pub fn new(live: LivePolicy) -> Self {
        Self(live)
    }
}

impl Actor for CspPolicy {
    type Context = Context<Self>;
}

/// Changes one of the policies or both; what it does not name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Message)]
#[rtype(result = "PolicyChanged")]
pub struct SetPolicy {
    enforce: Option<Option<Policy>>,
    report_only: Option<Option<Policy>>,
}

impl SetPolicy {
    /// Enforces this policy, or none.
    pub fn enforce(policy: impl Into<Option<Policy>>) -> Self {
        Self { enforce: Some(policy.into()), report_only: None }
    }

    /// Reports by this policy, or none.
    pub fn report_only(policy: impl Into<Option<Policy>>) -> Self {
        Self { enforce: None, report_only: Some(policy.into()) }
    }

    /// Sets both.
    #[must_use]
    pub fn both(policies: Policies) -> Self {
        Self { enforce: Some(policies.enforce), report_only: Some(policies.report_only) }
    }
}

/// The answer to [`SetPolicy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChanged {
    /// How often the policies have been set, this time included.
    pub revision: u64,
    /// What is weak in them now.
    pub lints: Vec<Lint>,
}

impl Handler<SetPolicy> for CspPolicy {
    type Result = MessageResult<SetPolicy>;

    fn handle(&mut self, change: SetPolicy, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.set(&change))
    }
}

/// Asks which policies hold now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Policies")]
pub struct GetPolicy;

impl Handler<GetPolicy> for CspPolicy {
    type Result = MessageResult<GetPolicy>;

    fn handle(&mut self, _: GetPolicy, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.policies())
    }
}
