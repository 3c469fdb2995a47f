//! An enqueue that is asked where its caller stands, and goes on if the caller does not wait for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use callboard_tasks::{Placed, StoreError, Unit};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::OwnedSemaphorePermit;

use super::desk::Desk;
use super::pumps::contained;
use super::turn::Reservation;

/// Asks the store to keep a unit, and does what follows from its answer. The permit is held until then.
pub(super) fn keep(
    desk: Arc<Desk>,
    unit: Unit,
    reservation: Option<Reservation>,
    permit: OwnedSemaphorePermit,
) -> BoxFuture<'static, Result<Placed, StoreError>> {
    async move {
        let jobs = unit.jobs.clone();
        desk.expect_enqueued(jobs.iter());
        let answer = contained(async { Ok(desk.store.enqueue(vec![unit]).await.pop()) }).await;
        let no_answer = || Err(StoreError::Unavailable("the store did not answer".into()));
        let answer = answer.and_then(|answer| answer.unwrap_or_else(no_answer));
        let placed = desk.placed(answer, jobs.iter(), reservation);
        drop(permit);
        desk.ended.notify_waiters();
        placed
    }
    .boxed()
}

/// Work that a caller waits for and that must come to its end all the same: what was inserted as claimed must be handed
/// out, whether or not anybody still waits. If it is dropped it goes on, on the board's own thread.
pub(super) struct Carried<T: Send + 'static> {
    desk: Arc<Desk>,
    work: Option<BoxFuture<'static, T>>,
}

impl<T: Send + 'static> Carried<T> {
    pub(super) const fn new(desk: Arc<Desk>, work: BoxFuture<'static, T>) -> Self {
        Self { desk, work: Some(work) }
    }
}

impl<T: Send + 'static> Future for Carried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let work = self.work.as_mut().expect("it is not polled after its end");
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Carried<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.desk.hub.threads.timers.spawn(work);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Carried<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried(ended: {})", self.work.is_none())
    }
}
