//! What tasks report to: each board has its own, given as application data.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::gate::Gate;

/// Lines that tasks say, how many run at once, and a gate to hold them.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    lines: Mutex<Vec<String>>,
    inside: AtomicUsize,
    most: AtomicUsize,
    pub(crate) gate: Gate,
}

/// Somebody is inside until this is dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Probe);

impl Probe {
    pub(crate) fn say(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// How often this line was said.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines.lock().iter().filter(|said| *said == line).count()
    }

    pub(crate) fn said(&self, line: &str) -> bool {
        self.count(line) > 0
    }

    pub(crate) fn enter(&self) -> Inside<'_> {
        let now = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Inside(self)
    }

    /// How many are inside now.
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// The most that were inside at once.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}
