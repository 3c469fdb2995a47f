//! The door of a backend: what the handle asks of it, whatever kind of backend stands behind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    AnyCall, BackendInfo, Change, Control, Error, Filter, Idempotency, JobId, Listing, Page, ScheduleRecord, Snapshot,
    Stats, StoreError, WaitError, WaitFor, Why,
};
use futures::future::{BoxFuture, FutureExt};

use crate::ends::Ends;
use crate::handle::ShutdownReport;
use crate::health::BackendHealth;

/// What a caller does where a backend has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Waits for it, at most [`ROOM_WAIT`].
    Wait,
    /// Gives up at once.
    Now,
}

/// How long a Rust caller waits for room.
pub(crate) const ROOM_WAIT: Duration = Duration::from_secs(5);

/// What became of several jobs, in their order.
pub(crate) type Changes = Vec<Result<Snapshot, StoreError>>;

/// The answer to an enqueue, where it can be had without waiting, or the future of it.
pub(crate) enum Entry {
    /// Done.
    Done(Result<Vec<Snapshot>, Error>),
    /// To be awaited; dropping it does not undo what was started.
    Later(BoxFuture<'static, Result<Vec<Snapshot>, Error>>),
}

impl Entry {
    pub(crate) async fn answer(self) -> Result<Vec<Snapshot>, Error> {
        match self {
            Self::Done(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

/// A backend as the handle sees it. What a backend does not do answers `Unsupported`.
pub(crate) trait Gate: fmt::Debug + Send + Sync + 'static {
    /// Its alias, queues and abilities.
    fn info(&self) -> &BackendInfo;

    /// Its alias, shared.
    fn alias(&self) -> &Arc<str>;

    /// Enqueues calls that were checked: all or none of them. `request` is theirs together, if it may come twice; a
    /// backend that keeps nothing does not remember it.
    fn enqueue(&self, calls: Vec<AnyCall>, request: Option<Idempotency>, room: Room) -> Entry;

    /// Looks a job up.
    fn get(&self, _: JobId) -> BoxFuture<'_, Result<Snapshot, Error>> {
        refuse(self.lacks("retrieving or refreshing results"))
    }

    /// Waits for a job.
    fn wait(&self, _: JobId, _: WaitFor, _: Duration) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        let error = self.lacks("waiting for results");
        async move { Err(error.into()) }.boxed()
    }

    /// Lists jobs.
    fn list(&self, _: Filter, _: Page) -> BoxFuture<'_, Result<Listing, Error>> {
        refuse(self.lacks("listing jobs"))
    }

    /// Changes a job.
    fn change(&self, _: JobId, change: Change) -> BoxFuture<'_, Result<Snapshot, Error>> {
        refuse(self.lacks(match change {
            Change::Cancel => "cancelling jobs",
            Change::Retry => "retrying jobs",
            _ => "changing jobs",
        }))
    }

    /// Changes several jobs in the same way, each by itself.
    fn change_all(&self, _: Vec<JobId>, _: Change) -> BoxFuture<'_, Result<Changes, Error>> {
        refuse(self.lacks("bulk actions"))
    }

    /// Changes what holds for all jobs.
    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), Error>> {
        refuse(self.lacks(match control {
            Control::Pause(_) | Control::Resume(_) | Control::Limit { .. } => "pausing and limiting queues",
            _ => "schedules",
        }))
    }

    /// Its schedules.
    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, Error>> {
        refuse(self.lacks("schedules"))
    }

    /// The ends of jobs from now on, whoever runs them.
    fn ends(&self) -> BoxFuture<'_, Result<Ends, Error>> {
        refuse(self.lacks("following the ends of jobs"))
    }

    /// Why a job is not running.
    fn why(&self, _: JobId) -> BoxFuture<'_, Result<Why, Error>> {
        refuse(self.lacks("saying why a job waits"))
    }

    /// What it holds.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        refuse(self.lacks("statistics"))
    }

    /// Somebody has written a job by a transaction of their own, which may be committed soon.
    fn expect_work(&self) {}

    /// Waits until this process has nothing left to do there that is due.
    fn until_idle(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    /// Whether that is so now.
    fn is_idle(&self) -> bool {
        true
    }

    /// Stops starting, lets what runs end within `grace`.
    fn drain(&self, _grace: Duration) -> BoxFuture<'_, ShutdownReport> {
        async { ShutdownReport::default() }.boxed()
    }

    /// Its state.
    fn health(&self) -> BoxFuture<'_, BackendHealth>;

    /// What its threads share, for tests that make them fail.
    #[cfg(test)]
    fn desk(&self) -> Option<Arc<crate::queue::Desk>> {
        None
    }

    /// What it does not do, as an error.
    fn lacks(&self, what: &'static str) -> Error {
        Error::Unsupported { alias: self.info().alias.clone(), what }
    }
}

/// An error as an answer.
fn refuse<T: Send + 'static>(error: Error) -> BoxFuture<'static, Result<T, Error>> {
    async move { Err(error) }.boxed()
}

/// The state of a backend that has neither store nor workers.
pub(crate) fn plain_health(info: &BackendInfo, kind: &'static str) -> BackendHealth {
    BackendHealth {
        alias: info.alias.clone(),
        kind,
        store: Ok(()),
        lease: true,
        degraded: None,
        late_schedules: None,
        worker_id: None,
        running: 0,
        claimed: 0,
        workers: Vec::new(),
        stuck: Vec::new(),
    }
}
