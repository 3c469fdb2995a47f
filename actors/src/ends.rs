//! The ends of all jobs of a backend, whichever process has run them, as a stream.
//!
//! Each stream reads the order of ends from the store, part after part, at the pace of whoever reads the stream. So
//! nothing is buffered here but the part under way, and who is slow falls behind in the store, which says how much was
//! missed if that is too far.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use callboard_tasks::{Followed, Lookup, StoreError, TaskResult};
use futures::future::{Either, select};
use futures::stream::{BoxStream, Stream, StreamExt, unfold};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::queue::Desk;

/// So many jobs are read at once.
const PART: usize = 100;
/// The store is asked no more often than this while there is little news,
const LEAST: Duration = Duration::from_millis(10);
/// and at least this often, should nobody ring.
const MOST: Duration = Duration::from_secs(1);

/// Jobs that have ended and that a stream of [`Ends`] does not tell of: so many, or 0 where nobody knows how many.
///
/// The reader was more than 100,000 ends behind; or the process could not ask its store for half a minute; or the jobs
/// were removed before the stream came to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("some ends were missed"),
            1 => f.write_str("an end was missed"),
            missed => write!(f, "{missed} ends were missed"),
        }
    }
}

impl std::error::Error for Lagged {}

/// Jobs that end at a backend, in whatever process, as a [`Stream`] from the call of
/// [`Callboard::ends`](crate::Callboard::ends) on.
///
/// It ends with its board. Dropping it ends the following.
pub struct Ends(BoxStream<'static, Result<TaskResult, Lagged>>);

impl Ends {
    /// The next one, once there is one; `None` when the board has stopped.
    pub async fn next(&mut self) -> Option<Result<TaskResult, Lagged>> {
        self.0.next().await
    }

    /// Begins to follow.
    pub(crate) async fn of(desk: &Arc<Desk>) -> Result<Self, StoreError> {
        let news = desk.news.ring.subscribe();
        let mark = desk.store.follow(None, PART).await?.mark;
        let follower =
            Follower { desk: Arc::downgrade(desk), news, mark, told: VecDeque::new(), looked: None, rang: true };
        Ok(Self(unfold(follower, Follower::next).boxed()))
    }
}

impl Stream for Ends {
    type Item = Result<TaskResult, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
    }
}

/// What those who follow at one backend share.
#[derive(Debug)]
pub(crate) struct News {
    ring: watch::Sender<()>,
    /// Whether the backend has stopped.
    over: AtomicBool,
    /// A mark after which there was nothing, and when: those who are there need not look one by one.
    quiet: Mutex<Option<(u64, Instant)>>,
}

impl Default for News {
    fn default() -> Self {
        Self { ring: watch::Sender::new(()), over: AtomicBool::new(false), quiet: Mutex::default() }
    }
}

impl News {
    /// Some jobs may have ended.
    pub(crate) fn ring(&self) {
        if self.ring.receiver_count() > 0 {
            self.ring.send_replace(());
        }
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.ring.send_replace(());
    }

    fn is_quiet(&self, mark: u64) -> bool {
        self.quiet.lock().is_some_and(|(known, at)| known == mark && at.elapsed() < MOST - LEAST)
    }
}

struct Follower {
    desk: Weak<Desk>,
    news: watch::Receiver<()>,
    mark: u64,
    told: VecDeque<Result<TaskResult, Lagged>>,
    /// When it looked last, if that brought less than a whole part.
    looked: Option<Instant>,
    /// Whether somebody has rung since.
    rang: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<TaskResult, Lagged>, Self)> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some((told, self));
            }
            if let Some(rest) = self.looked.and_then(|looked| LEAST.checked_sub(looked.elapsed())) {
                self.wait(rest, false).await;
            }
            let desk = self.desk.upgrade().filter(|desk| !desk.hub.is_gone())?;
            let over = desk.news.over.load(Ordering::Acquire);
            self.news.mark_unchanged();
            let looked = if self.rang || !desk.news.is_quiet(self.mark) { self.look(&desk).await } else { Ok(()) };
            drop(desk);
            if self.told.is_empty() {
                if over {
                    return None;
                }
                if let Err(problem) = &looked {
                    tracing::debug!(error = %problem, "ends could not be read; they are asked for again");
                }
                // While the store does not answer, news do not make it.
                self.rang = self.wait(MOST, looked.is_ok()).await;
            }
        }
    }

    /// Waits for as long, or for news. Whether there are any.
    async fn wait(&mut self, pause: Duration, for_news: bool) -> bool {
        let Some(desk) = self.desk.upgrade() else { return true };
        let (ring, alarm) = tokio::sync::oneshot::channel::<()>();
        let _timer = desk.hub.threads.after(pause, move || drop(ring));
        // Who waits must not keep the board alive.
        drop(desk);
        if !for_news {
            let _ = alarm.await;
            return false;
        }
        let news = std::pin::pin!(self.news.changed());
        matches!(select(news, alarm).await, Either::Left(_))
    }

    /// Reads the next part.
    async fn look(&mut self, desk: &Desk) -> Result<(), StoreError> {
        let Followed { ids, mark, missed } = desk.store.follow(Some(self.mark), PART).await?;
        self.looked = (ids.len() < PART).then(Instant::now);
        if ids.is_empty() && missed.is_none() {
            self.mark = mark;
            *desk.news.quiet.lock() = Some((mark, Instant::now()));
            return Ok(());
        }
        let found = if ids.is_empty() { Vec::new() } else { desk.store.get(ids).await? };
        // Not before the jobs were read: else they would be lost with an error.
        self.mark = mark;
        if let Some(missed) = missed {
            self.told.push_back(Err(Lagged(missed)));
        }
        for found in found {
            let result = match found {
                Lookup::Found(job) => TaskResult::new(desk.hub.weak_board(), desk.snapshot(job)).ok(),
                Lookup::Pruned | Lookup::Unknown => None,
            };
            match (result, self.told.back_mut()) {
                (Some(result), _) => self.told.push_back(Ok(result)),
                (None, Some(Err(Lagged(missed)))) if *missed > 0 => *missed += 1,
                (None, Some(Err(_))) => {}
                (None, _) => self.told.push_back(Err(Lagged(1))),
            }
        }
        Ok(())
    }
}
