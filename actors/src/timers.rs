//! What is to happen later: a plan in order of time, which one task on the timers' thread keeps to.
//!
//! A task of the runtime for each would take half a kilobyte and a wake-up of that thread, and whoever waits for a job has
//! one.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::panics::drop_contained;

/// Farther than anybody waits; some times from now are beyond what a clock can say.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

type Work = Box<dyn FnOnce() + Send>;

/// When, and a number of its own.
type Key = (Instant, u64);

/// All that is planned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    plan: Mutex<Plan>,
    /// Something is due sooner than all that was planned before.
    sooner: Notify,
}

#[derive(Default)]
struct Plan {
    due: BTreeMap<Key, Work>,
    next: u64,
    /// The thread has ended: nothing will happen any more.
    over: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("due", &self.due.len()).field("over", &self.over).finish_non_exhaustive()
    }
}

impl Timers {
    /// Calls `work` after `pause`, unless the returned guard is dropped before. Work that will not happen any more, because
    /// the board has ended, is dropped.
    pub(crate) fn after(&self, pause: Duration, work: impl FnOnce() + Send + 'static) -> Timer {
        let now = Instant::now();
        let mut plan = self.0.plan.lock();
        let key = (now.checked_add(pause.min(FAR)).unwrap_or(now), plan.next);
        if plan.over {
            drop(plan);
            drop(work);
        } else {
            plan.next += 1;
            let sooner = plan.due.first_key_value().is_none_or(|(first, _)| key < *first);
            plan.due.insert(key, Box::new(work));
            drop(plan);
            if sooner {
                self.0.sooner.notify_one();
            }
        }
        Timer { key, plan: Arc::clone(&self.0) }
    }

    /// Keeps to the plan for as long as it is polled; once it is dropped, polled or not, nothing happens any more.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let end = End(self.0);
        async move {
            loop {
                while let Some(work) = end.0.take_due() {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
                        drop_contained(payload);
                    }
                    // Ten thousand may be due at once, and the Heart of this thread must not wait for all of them.
                    tokio::task::coop::consume_budget().await;
                }
                let first = end.0.plan.lock().due.first_key_value().map(|((at, _), _)| *at);
                let sooner = end.0.sooner.notified();
                match first {
                    Some(at) => drop(tokio::time::timeout_at(at.into(), sooner).await),
                    None => sooner.await,
                }
            }
        }
    }
}

impl Inner {
    fn take_due(&self) -> Option<Work> {
        let mut plan = self.plan.lock();
        let entry = plan.due.first_entry()?;
        (entry.key().0 <= Instant::now()).then(|| entry.remove())
    }
}

/// Drops what is planned with the thread that would have done it.
struct End(Arc<Inner>);

impl Drop for End {
    fn drop(&mut self) {
        let mut plan = self.0.plan.lock();
        plan.over = true;
        let due = std::mem::take(&mut plan.due);
        drop(plan);
        drop(due);
    }
}

/// A planned call; dropping it calls it off.
#[derive(Debug)]
pub(crate) struct Timer {
    key: Key,
    plan: Arc<Inner>,
}

impl Timer {
    /// Lets it happen whatever becomes of the guard.
    pub(crate) fn forget(mut self) {
        // No plan has it under this number.
        self.key.1 = u64::MAX;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let called_off = self.plan.plan.lock().due.remove(&self.key);
        drop(called_off);
    }
}
