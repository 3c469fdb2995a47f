//! Tasks, jobs, backends and a board for the tests beside this file.

use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;

use crate::{
    AnyCall, BackendInfo, Board, Call, Error, Job, JobId, Progress, QueueNames, Snapshot, Supports, Task, Timestamp,
    WaitError, WaitFor, resolve, task,
};

/// When tests start: 2026-11-22T10:00:00Z.
pub(super) const START: Timestamp = Timestamp::constant(1_795_341_600, 0);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Adds two numbers.
#[task]
pub(super) async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Says nothing but whether it could.
#[task]
pub(super) fn ping() {}

/// A task that sets every option.
#[task(
    queue = "mail",
    priority = 5,
    backend = "slow",
    max_attempts = 3,
    backoff = "2s..10m",
    timeout = "30s",
    expires = "1h"
)]
pub(super) async fn send(to: String, copies: Option<u8>) -> Result<(), std::io::Error> {
    let _ = (to, copies);
    Ok(())
}

/// A backend that can do everything and takes these queues.
pub(super) fn backend<const N: usize>(queues: [&str; N]) -> BackendInfo {
    BackendInfo { alias: "default".into(), queues: QueueNames::from_list(queues), supports: Supports::ALL }
}

/// The job that a call becomes at [`START`].
pub(super) fn job<T: Task>(call: Call<T>) -> Job {
    Job::new(Arc::new(resolve(call.erase(), START).unwrap()))
}

pub(super) fn snapshot(job: Job) -> Snapshot {
    Snapshot { backend: "default".into(), job, duplicate: false, replayed: false }
}

/// A board that gives the answers it was given, in their order, and keeps what it was asked.
#[derive(Default)]
pub(super) struct FakeBoard {
    pub(super) answers: Mutex<VecDeque<Result<Snapshot, Error>>>,
    pub(super) enqueued: Mutex<Vec<AnyCall>>,
    pub(super) asked: Mutex<Vec<(JobId, Option<Arc<str>>)>>,
    pub(super) reports: Mutex<Vec<(JobId, u64, Progress)>>,
    pub(super) provides: Option<Arc<dyn Any + Send + Sync>>,
}

impl FakeBoard {
    pub(super) fn answering<const N: usize>(answers: [Result<Snapshot, Error>; N]) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), ..Self::default() })
    }

    fn answer(&self) -> Result<Snapshot, Error> {
        self.answers.lock().pop_front().expect("the test gives as many answers as questions are asked")
    }
}

impl Board for FakeBoard {
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        self.enqueued.lock().push(call);
        let answer = self.answer();
        async { answer }.boxed()
    }

    fn get(&self, id: JobId, backend: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        self.asked.lock().push((id, backend));
        let answer = self.answer();
        async { answer }.boxed()
    }

    fn wait(
        &self,
        id: JobId,
        backend: Option<Arc<str>>,
        until: WaitFor,
        _: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        self.asked.lock().push((id, backend));
        let answer = self.answer();
        async move {
            let snapshot = answer?;
            if until.is_met(&snapshot.job) { Ok(snapshot) } else { Err(WaitError::Timeout) }
        }
        .boxed()
    }

    fn report(&self, id: JobId, run: u64, progress: Progress) {
        self.reports.lock().push((id, run, progress));
    }

    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        self.provides.as_ref().filter(|value| value.as_ref().type_id() == key).map(Arc::clone)
    }
}
