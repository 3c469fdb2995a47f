//! What is known of tasks that only other processes have: which of their arguments are not shown.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callboard_tasks::{Error, Redaction};
use parking_lot::{Mutex, RwLock};

use crate::handle::Inner;

/// How long an answer counts as fresh.
const FRESH: Duration = Duration::from_secs(30);
/// The pause before stores are asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What was published, as of the last look at the stores.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    known: RwLock<Known>,
    /// Tasks that somebody asked about and nobody had heard of.
    wanted: Mutex<HashSet<String>>,
    looking: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    tasks: HashMap<String, Redaction>,
    asked: Option<Instant>,
}

impl Inner {
    /// What of a job of this task is not shown. Of a task that nobody here has heard of, nothing is, until the stores
    /// have been asked; one that was never published has what a task has that says nothing.
    pub(crate) fn redaction_of(self: &Arc<Self>, task: &str) -> Redaction {
        if let Some(task) = self.hub.registry.get(task) {
            return Redaction::of(task);
        }
        let (redaction, is_fresh) = {
            let known = self.foreign.known.read();
            let is_fresh = known.asked.is_some_and(|asked| asked.elapsed() < FRESH);
            (known.tasks.get(task).cloned(), is_fresh)
        };
        if redaction.is_none() {
            self.foreign.wanted.lock().insert(task.to_owned());
        }
        if redaction.is_none() || !is_fresh {
            self.look_at_published();
        }
        redaction.unwrap_or(Redaction::Everything)
    }

    /// Asks the stores what was published, in the background, one look at a time.
    pub(crate) fn look_at_published(self: &Arc<Self>) {
        if self.foreign.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::downgrade(self);
        self.hub.threads.timers.spawn(async move {
            while let Some(inner) = inner.upgrade() {
                let wanted = std::mem::take(&mut *inner.foreign.wanted.lock());
                match inner.published_redactions().await {
                    Some(mut tasks) => {
                        for name in wanted {
                            tasks.entry(name).or_default();
                        }
                        *inner.foreign.known.write() = Known { tasks, asked: Some(Instant::now()) };
                    }
                    // What cannot be asked now may have tasks of which nothing must be shown: all stays as it is.
                    None => {
                        inner.foreign.wanted.lock().extend(wanted);
                        drop(inner);
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
                inner.foreign.looking.store(false, Ordering::Release);
                // Who wanted to know during the look told nobody.
                if inner.foreign.wanted.lock().is_empty() || inner.foreign.looking.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }

    /// Of each task that was ever published what is not shown; `None` if a store did not answer.
    async fn published_redactions(&self) -> Option<HashMap<String, Redaction>> {
        let mut tasks = HashMap::new();
        for gate in self.gates.iter().filter(|gate| gate.info().supports.get_result) {
            match gate.stats().await {
                Ok(stats) => tasks.extend(stats.published.into_iter().map(|(name, task)| (name, task.redact))),
                Err(Error::Unsupported { .. }) => {}
                Err(_) => return None,
            }
        }
        Some(tasks)
    }
}
