//! Which queues have limits of how they start, as this process knows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use callboard_tasks::QueueLimits;
use parking_lot::RwLock;

/// The limits of all queues as of the last beat, and whether a job of a limited one has ended.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    queues: RwLock<BTreeMap<String, QueueLimits>>,
    /// Since the last claim was thought of: others may start in its place.
    has_room: AtomicBool,
}

impl Limited {
    /// Whether the starts of a queue are limited.
    pub(crate) fn is(&self, queue: &str) -> bool {
        let queues = self.queues.read();
        !queues.is_empty() && queues.get(queue).is_some_and(QueueLimits::limits_starts)
    }

    /// The limits of one queue are these from now on.
    pub(crate) fn set(&self, queue: &str, limits: QueueLimits) {
        if limits.is_none() {
            self.queues.write().remove(queue);
        } else {
            self.queues.write().insert(queue.to_owned(), limits);
        }
    }

    /// The limits of all queues are these. Whether any of them is another one.
    pub(crate) fn set_all(&self, limits: BTreeMap<String, QueueLimits>) -> bool {
        let changed = *self.queues.read() != limits;
        if changed {
            *self.queues.write() = limits;
        }
        changed
    }

    /// A run of this queue ends here: where that is limited, it makes room for another one.
    pub(crate) fn ends_in(&self, queue: &str) {
        if self.is(queue) {
            self.has_room.store(true, Ordering::Release);
        }
    }

    /// Whether there is room since this was asked last.
    pub(crate) fn take_room(&self) -> bool {
        self.has_room.swap(false, Ordering::AcqRel)
    }
}
