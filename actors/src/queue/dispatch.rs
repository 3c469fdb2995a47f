//! How many jobs a process takes: pure functions of what it runs and what it has just finished.

use std::time::{Duration, Instant};

/// The most jobs claimed at once, and the most held beyond what runs.
pub(crate) const MOST: usize = 1024;

/// How far back "just finished" reaches.
const WINDOW: Duration = Duration::from_millis(20);

/// How many jobs to claim now: the free permits plus what was finished in the last 20 ms. Short tasks so travel in
/// batches, and long ones are never hoarded.
///
/// Of the `claimed` ones, those that have `ended` and are being written hold no permit, so that the next claim goes on
/// beside the writing; they count where a whole batch of them waits already.
pub(crate) fn room(concurrency: usize, claimed: usize, ended: usize, recent: usize) -> usize {
    let held = claimed.saturating_sub(ended.min(MOST));
    concurrency.saturating_add(recent.min(MOST)).saturating_sub(held).min(MOST)
}

/// Counts what was finished in the last 20 ms, in two halves of a window.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    now: usize,
    before: usize,
}

impl Pace {
    /// Nothing finished yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, now: 0, before: 0 }
    }

    /// Notes that `count` jobs were finished at `now`.
    pub(crate) fn finished(&mut self, count: usize, now: Instant) {
        self.turn(now);
        self.now += count;
    }

    /// How many were finished in the window that ends at `now`, to within half a window.
    pub(crate) fn recent(&mut self, now: Instant) -> usize {
        self.turn(now);
        self.now + self.before
    }

    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < WINDOW / 2 {
            return;
        }
        self.before = if age < WINDOW { self.now } else { 0 };
        self.now = 0;
        self.since = now;
    }
}
