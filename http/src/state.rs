//! What all handlers share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Actor as _;
use actix_web::{HttpMessage as _, HttpRequest};
use callboard_actors::Callboard;
use callboard_tasks::{JobId, TaskResult, WaitError, WaitFor};
use futures::future::{Either, select};
use parking_lot::Mutex;

use crate::access::{Caller, Client, Facts, Limiter, Policy, RateLimit, Sessions, TokenRing};
use crate::audit::Audit;
use crate::config::{Guard, HttpConfig, Limits};
use crate::csp::{Collector, CspReports, ReportSummary};
use crate::enqueue::UnderWay;
use crate::metrics::Requests;
use crate::problem::Problem;
use crate::quota::Quotas;
use crate::ui;

/// How often somebody may try to log in.
const LOGINS: RateLimit = RateLimit { requests: 5, per: Duration::from_secs(60) };

/// A board with what its front end was told.
pub(crate) struct State {
    pub(crate) board: Callboard,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) quotas: Quotas,
    pub(crate) under_way: UnderWay,
    csp_reports: Mutex<Option<Collector>>,
    /// How many streams of events are open.
    streams: Arc<AtomicUsize>,
    /// Requests that were taken, by client.
    rates: Option<Limiter<Client>>,
    /// Attempts to log in, by address.
    pub(crate) logins: Limiter<Option<IpAddr>>,
    /// Counts of the requests that were answered.
    pub(crate) requests: Requests,
    /// What was asked for that would change something.
    pub(crate) audit: Audit,
    /// The paths that are mounted, with their methods.
    routes: Mutex<BTreeMap<&'static str, String>>,
}

/// The place of one open stream; it is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    pub(crate) fn new(board: &Callboard, config: HttpConfig) -> Self {
        let policy = Policy {
            guard: config.guard,
            hosts: config.hosts,
            proxies: config.trusted_proxies,
            tokens: TokenRing::new(config.tokens),
            sessions: Sessions::default(),
            read_only: config.read_only,
        };
        let csp_reports = Mutex::new(config.csp_reports);
        // The pages are part of the program: if one of them is broken, that shows at the start.
        ui::compile();
        Self {
            board: board.clone(),
            policy,
            limits: config.limits,
            quotas: Quotas::new(config.quotas),
            under_way: UnderWay::default(),
            csp_reports,
            streams: Arc::default(),
            rates: config.rate_limit.map(Limiter::new),
            logins: Limiter::new(LOGINS),
            requests: Requests::default(),
            audit: Audit::default(),
            routes: Mutex::default(),
        }
    }

    /// Where reports of violations go. Without one that was given, or if it has ended, one is made here: it counts and
    /// logs, on the thread of the request that first brought a report.
    pub(crate) fn csp_reports(&self) -> Collector {
        let mut known = self.csp_reports.lock();
        match known.as_ref().filter(|collector| collector.is_running()) {
            Some(collector) => collector.clone(),
            None => {
                let collector = Collector::new(&CspReports::new().start());
                known.insert(collector.trusted_proxies(self.policy.proxies.clone())).clone()
            }
        }
    }

    /// Takes a request of that client, if it has not made too many.
    pub(crate) fn take(&self, caller: Option<&Caller>, facts: &Facts<'_>) -> Result<(), Problem> {
        match &self.rates {
            Some(rates) => rates.take(Client::of(caller, facts, &self.policy.proxies)),
            None => Ok(()),
        }
    }

    /// On whose behalf a request is answered. The middleware notes it but for those whom a server without tokens
    /// lets in; with tokens nobody is trusted without its note.
    pub(crate) fn caller(&self, req: &HttpRequest) -> Caller {
        let noted = req.extensions().get().cloned();
        noted.unwrap_or(match self.policy.guard {
            _ if !self.policy.tokens.is_empty() => Caller::Anybody,
            Guard::Loopback => Caller::Local,
            Guard::Application => Caller::Application,
        })
    }

    /// A path is mounted with these methods.
    pub(crate) fn note_route(&self, path: &'static str, allow: &str) {
        self.routes.lock().insert(path, allow.to_owned());
    }

    /// The paths that are mounted, with their methods.
    #[cfg(test)]
    pub(crate) fn routes(&self) -> BTreeMap<&'static str, String> {
        self.routes.lock().clone()
    }

    /// A place for one more stream, while there is one.
    pub(crate) fn take_place(&self) -> Option<Place> {
        let one_more = |open| (open < self.limits.streams).then_some(open + 1);
        self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(&self.streams)))
    }

    /// How many streams are open.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// What is known of the reports of browsers, and how many requests with some were dropped; `None` if none has come or
    /// their actor does not answer in time.
    pub(crate) async fn csp_summary(&self, patience: Duration) -> Option<(ReportSummary, u64)> {
        let collector = self.csp_reports.lock().clone()?;
        let summary = tokio::time::timeout(patience, collector.summary()).await.ok()??;
        Some((summary, collector.dropped()))
    }

    /// Waits for a task, but not into the shutdown of the board: who still waited then would hold it up.
    ///
    /// `None` if it did not happen in time.
    pub(crate) async fn wait(
        &self,
        id: JobId,
        until: WaitFor,
        timeout: Duration,
    ) -> Result<Option<TaskResult>, callboard_tasks::Error> {
        let draining = self.board.draining();
        let wait = self.board.wait(id, until, timeout);
        match select(std::pin::pin!(wait), std::pin::pin!(draining)).await {
            Either::Left((Ok(result), _)) => Ok(Some(result)),
            Either::Left((Err(WaitError::Board(error)), _)) => Err(error),
            Either::Left((Err(_), _)) | Either::Right(_) => Ok(None),
        }
    }
}
