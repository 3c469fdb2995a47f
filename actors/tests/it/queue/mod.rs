//! The queue backend: many jobs, few workers.

mod bulk;
mod cancel;
mod concurrency;
mod context;
mod limits;
mod log;
mod order;
mod panics;
mod pause;
mod peers;
mod policy;
mod retry;
mod schedules;
mod shutdown;
mod start;
mod store;
mod stuck;
mod time;
mod timeouts;
mod unique;
mod waiting;
mod work;

use std::sync::Arc;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, TaskDefinition, TaskOutput, TaskResult};

use crate::support::{Probe, SOON};

/// A board with these tasks and a probe for them, on a memory backend configured by `configure`.
pub(crate) async fn board_of<const N: usize>(
    tasks: [&'static TaskDefinition; N],
    probe: &Arc<Probe>,
    configure: impl FnOnce(Backend) -> Backend,
) -> Callboard {
    start(tasks, probe, configure(Backend::memory()), Clock::system()).await
}

/// The same on any backend and by any clock.
pub(crate) async fn start<const N: usize>(
    tasks: [&'static TaskDefinition; N],
    probe: &Arc<Probe>,
    backend: Backend,
    clock: Clock,
) -> Callboard {
    let builder = Callboard::builder().backend("default", backend).tasks(tasks).clock(clock);
    builder.data_arc(Arc::clone(probe)).start().await.unwrap()
}

/// The result at its end.
pub(crate) async fn end<T: TaskOutput>(result: TaskResult<T>) -> TaskResult<T> {
    result.wait(SOON).await.unwrap()
}
