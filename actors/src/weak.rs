//! A board for those who must not keep it alive: what is told of a job may lie unread for long.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use callboard_tasks::{AnyCall, Board, Error, JobId, Progress, Redaction, Snapshot, WaitError, WaitFor};
use futures::future::{BoxFuture, FutureExt};

use crate::handle::Inner;

/// The board while it stands; once it is gone, whoever asks learns that it is shutting down.
pub(crate) struct WeakBoard(Weak<Inner>);

impl WeakBoard {
    pub(crate) const fn new(board: Weak<Inner>) -> Self {
        Self(board)
    }

    /// The board, if it still stands.
    pub(crate) fn upgrade(&self) -> Option<Arc<Inner>> {
        self.0.upgrade()
    }

    /// Whether nobody holds the board any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    fn board(&self) -> Result<Arc<Inner>, Error> {
        self.upgrade().ok_or(Error::Draining)
    }
}

impl Board for WeakBoard {
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { Board::enqueue(self.board()?.as_ref(), call).await }.boxed()
    }

    fn get(&self, id: JobId, backend: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { Board::get(self.board()?.as_ref(), id, backend).await }.boxed()
    }

    fn wait(
        &self,
        id: JobId,
        backend: Option<Arc<str>>,
        until: WaitFor,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        async move { Board::wait(self.board()?.as_ref(), id, backend, until, timeout).await }.boxed()
    }

    fn report(&self, id: JobId, run: u64, progress: Progress) {
        if let Ok(board) = self.board() {
            board.report(id, run, progress);
        }
    }

    fn redaction(&self, task: &str) -> Redaction {
        self.board().map_or(Redaction::Everything, |board| board.redaction(task))
    }

    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        self.board().ok()?.provide(key)
    }
}

impl fmt::Debug for WeakBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeakBoard(gone: {})", self.is_gone())
    }
}
