//! A board that runs nothing, and attempts on it.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    AnyCall, Board, Call, DataMap, Error, Failure, JobId, JobSpec, Json, Progress, RetryPolicy, Run, Snapshot, Task,
    TaskContext, TaskDefinition, Timestamp, WaitError, WaitFor,
};
use futures::executor::block_on;
use futures::future::{self, BoxFuture, FutureExt};

/// Runs a call of a task to its end, on a board that supplies `data`.
pub(crate) fn run_with<T: Task>(call: &Call<T>, data: DataMap) -> Result<Json, Failure> {
    run_stored(T::definition(), call.args_json().unwrap(), data)
}

/// Runs a call of a task that needs no application data.
pub(crate) fn run<T: Task>(call: &Call<T>) -> Result<Json, Failure> {
    run_with(call, DataMap::default())
}

/// Runs a task with arguments as a store gives them back.
pub(crate) fn run_stored(task: &TaskDefinition, args: &str, data: DataMap) -> Result<Json, Failure> {
    let spec = spec(task, Json::from_stored(args.into()));
    let context = TaskContext::new(Arc::new(spec), 1, 1, None, Arc::default(), Arc::new(data), Arc::new(Nowhere));
    match task.run {
        Run::Async(run) => block_on(run(context)),
        Run::Blocking(run) => run(context),
    }
}

/// The text of what a task returned.
pub(crate) fn text(result: Result<Json, Failure>) -> String {
    result.unwrap().as_str().to_owned()
}

fn spec(task: &TaskDefinition, args: Json) -> JobSpec {
    let now = Timestamp::UNIX_EPOCH;
    JobSpec {
        id: JobId::new(now),
        task: task.name.into(),
        args,
        queue: "default".into(),
        priority: 0,
        enqueued_at: now,
        run_after: None,
        expires_at: None,
        timeout: None,
        retry: RetryPolicy::default(),
        tags: Vec::new(),
        metadata: None,
        traceparent: None,
        unique: None,
        limit_key: None,
    }
}

/// Takes no calls and supplies a text as the board's own value.
struct Nowhere;

impl Board for Nowhere {
    fn enqueue(&self, _: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        future::ready(Err(Error::Draining)).boxed()
    }

    fn get(&self, id: JobId, _: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        future::ready(Err(Error::NotFound(id))).boxed()
    }

    fn wait(
        &self,
        _: JobId,
        _: Option<Arc<str>>,
        _: WaitFor,
        _: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        future::ready(Err(WaitError::Timeout)).boxed()
    }

    fn report(&self, _: JobId, _: u64, _: Progress) {}

    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        (key == TypeId::of::<String>()).then(|| Arc::new(String::from("of the board")) as Arc<dyn Any + Send + Sync>)
    }
}
