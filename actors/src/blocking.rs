//! The handle for code without an async runtime.

use std::time::Duration;

use callboard_tasks::{Call, Error, Task, TaskResult, WaitError};
use futures::executor::block_on;

use crate::Callboard;

/// A [`Callboard`] whose methods block the calling thread; made by [`Callboard::blocking`].
///
/// For plain threads and sync functions. Inside an async function it would hold up everything else on the thread.
#[derive(Debug, Clone)]
pub struct Blocking(Callboard);

impl Blocking {
    pub(crate) const fn new(board: Callboard) -> Self {
        Self(board)
    }

    /// As [`Callboard::enqueue`].
    ///
    /// # Errors
    ///
    /// See [`Error`]; nothing was enqueued then.
    pub fn enqueue<T: Task>(&self, call: Call<T>) -> Result<TaskResult<T::Output>, Error> {
        block_on(self.0.enqueue(call))
    }

    /// As [`TaskResult::wait`].
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] past its time; the job goes on.
    pub fn wait<T: callboard_tasks::TaskOutput>(
        &self,
        result: TaskResult<T>,
        timeout: Duration,
    ) -> Result<TaskResult<T>, WaitError> {
        block_on(result.wait(timeout))
    }

    /// As [`Callboard::shutdown`].
    pub fn shutdown(&self) -> crate::ShutdownReport {
        block_on(self.0.shutdown())
    }
}
