//! What this process hears of jobs that others run: the ear of its store, and the jobs that it watches there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use callboard_tasks::{Ear, Heard, JobId, Lookup};
use parking_lot::Mutex;

use super::desk::Desk;

/// The pause between two batches of jobs to be watched: however many wait, the store is asked a few times a second.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// How many jobs are asked about at once.
const LOOK_BATCH: usize = 10_000;

/// Jobs that are about to be watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    tray: Mutex<Vec<JobId>>,
    /// Whether somebody empties the tray.
    writing: AtomicBool,
    /// Whether something was heard for which nobody has looked at the waiters yet.
    heard: AtomicBool,
    looking: tokio::sync::Mutex<()>,
}

impl Desk {
    /// What the store shall tell of other processes.
    pub(super) fn ear(self: &Arc<Self>) -> Ear {
        let desk = Arc::downgrade(self);
        Arc::new(move |heard| {
            let Some(desk) = desk.upgrade() else { return };
            match heard {
                Heard::Work => desk.look_for_work(),
                Heard::Ended(ids) => desk.hear_ends(ids),
                Heard::Followed => desk.news.ring(),
                _ => {
                    desk.look_for_work();
                    desk.news.ring();
                    desk.hear_something();
                }
            }
        })
    }

    fn hear_ends(self: &Arc<Self>, mut ids: Vec<JobId>) {
        ids.retain(|id| self.waiters.wait_for(*id));
        if !ids.is_empty() {
            let desk = Arc::clone(self);
            self.hub.threads.timers.spawn(async move { desk.look_at(ids).await });
        }
    }

    /// Looks at jobs of which any change is waited for, once for all that is heard until then.
    fn hear_something(self: &Arc<Self>) {
        if !self.waiters.any() || self.watch.heard.swap(true, Ordering::AcqRel) {
            return;
        }
        let desk = Arc::clone(self);
        self.hub.threads.timers.spawn(async move {
            let _one_at_a_time = desk.watch.looking.lock().await;
            desk.watch.heard.store(false, Ordering::Release);
            desk.look_at(desk.waiters.jobs().1).await;
        });
    }

    /// Looks at everything that is waited for: jobs may have ended unseen, in another process, or in the store itself,
    /// as by expiry.
    pub(super) async fn look_again(&self) {
        let (ends, changes) = self.waiters.jobs();
        for ids in ends.chunks(LOOK_BATCH) {
            // A store that does not answer now is asked again a second later.
            let Ok(ended) = self.store.watch(ids.to_vec()).await else { return };
            self.look_at(ended).await;
        }
        for ids in changes.chunks(LOOK_BATCH) {
            self.look_at(ids.to_vec()).await;
        }
    }

    /// Reads jobs that may have ended and tells those who wait for them.
    pub(crate) async fn look_at(&self, ids: Vec<JobId>) {
        if ids.is_empty() {
            return;
        }
        // A store that does not answer now is asked again at the Keeper's next look.
        let Ok(found) = self.store.get(ids.clone()).await else { return };
        for (id, found) in ids.into_iter().zip(found) {
            match found {
                Lookup::Found(job) => self.waiters.announce(&job),
                Lookup::Pruned | Lookup::Unknown => self.waiters.dismiss(id),
            }
        }
    }

    /// Has the store tell of the end of this job, if another process may run it.
    pub(super) fn watch(self: &Arc<Self>, id: JobId) {
        if !self.has_peers.load(Ordering::Acquire) {
            return;
        }
        self.watch.tray.lock().push(id);
        if self.watch.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let desk = Arc::clone(self);
        self.hub.threads.timers.spawn(async move {
            loop {
                let mut ids = std::mem::take(&mut *desk.watch.tray.lock());
                ids.retain(|id| desk.waiters.wait_for(*id));
                if ids.is_empty() {
                    desk.watch.writing.store(false, Ordering::Release);
                    // What came after the look and before the flag went down told nobody.
                    if desk.watch.tray.lock().is_empty() || desk.watch.writing.swap(true, Ordering::AcqRel) {
                        return;
                    }
                    continue;
                }
                if let Ok(ended) = desk.store.watch(ids).await {
                    desk.look_at(ended).await;
                }
                tokio::time::sleep(WATCH_EVERY).await;
            }
        });
    }
}
