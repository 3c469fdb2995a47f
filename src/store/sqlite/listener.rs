//! What other processes do to the file, as far as this one hears of it.
//!
//! `PRAGMA data_version` tells whether another connection has committed, for 1 µs and without a look at the disk. The
//! writer asks it on its own connection, whose commits do not count: so a process never wakes itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use callboard_tasks::{Ear, Heard, JobId};
use parking_lot::Mutex;

use super::read;
use super::readers::Readers;

/// While another handle works on the file.
const OFTEN: Duration = Duration::from_millis(20);
/// While none is known.
const SELDOM: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Listener {
    ear: Mutex<Option<Ear>>,
    pub(super) watched: Arc<Watched>,
    /// Whether a worker of another handle is registered.
    pub(super) peers: AtomicBool,
}

/// Jobs that somebody here waits for.
#[derive(Debug, Default)]
pub(super) struct Watched {
    ids: Mutex<HashMap<JobId, Instant>>,
    count: AtomicUsize,
}

/// After so long nobody waits any more, or watches again.
const FORGET_AFTER: Duration = Duration::from_secs(300);

impl Watched {
    pub(super) fn add(&self, ids: &[JobId]) {
        let mut watched = self.ids.lock();
        let now = Instant::now();
        watched.retain(|_, since| now.duration_since(*since) < FORGET_AFTER);
        watched.extend(ids.iter().map(|id| (*id, now)));
        self.count.store(watched.len(), Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Those of `ended` that were watched; they are not any more.
    pub(super) fn take(&self, ended: &[JobId]) -> Vec<JobId> {
        let mut watched = self.ids.lock();
        let ids = ended.iter().copied().filter(|id| watched.remove(id).is_some()).collect();
        self.count.store(watched.len(), Relaxed);
        ids
    }

    fn all(&self) -> Vec<JobId> {
        self.ids.lock().keys().copied().collect()
    }
}

impl Listener {
    pub(super) fn set_ear(&self, ear: Ear) {
        *self.ear.lock() = Some(ear);
    }

    pub(super) fn tell(&self, heard: Heard) {
        let ear = self.ear.lock().clone();
        if let Some(ear) = ear {
            ear(heard);
        }
    }

    /// How long the writer may go without a look.
    pub(super) fn pause(&self) -> Duration {
        if self.peers.load(Acquire) && self.ear.lock().is_some() { OFTEN } else { SELDOM }
    }

    /// Another connection has written.
    pub(super) fn somebody_wrote(self: &Arc<Self>, readers: &Readers) {
        self.tell(Heard::Something);
        self.look_for_ends(readers);
    }

    /// Looks which watched jobs have ended, beside the writer.
    pub(super) fn look_for_ends(self: &Arc<Self>, readers: &Readers) {
        if !self.watched.any() {
            return;
        }
        let listener = Arc::clone(self);
        readers.push(Box::new(move |connection| {
            // What cannot be read now is looked at after the next change.
            let Ok(ended) = connection.and_then(|connection| read::ended(connection, &listener.watched.all())) else {
                return;
            };
            let ids = listener.watched.take(&ended);
            if !ids.is_empty() {
                listener.tell(Heard::Ended(ids));
            }
        }));
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("peers", &self.peers).finish_non_exhaustive()
    }
}
