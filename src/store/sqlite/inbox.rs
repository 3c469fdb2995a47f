//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::writer::Work;

/// At most so many jobs go into one transaction: it must not make the next caller wait for long.
const BATCH: usize = 4_096;

/// Looks at the connection that writes, between two transactions.
pub(super) type Inspection = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
    /// How many transactions were committed.
    pub(super) commits: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Beats: they go first, or a busy store would let leases end.
    first: VecDeque<Box<dyn Work>>,
    rest: VecDeque<Box<dyn Work>>,
    /// Of all in `rest`.
    weight: usize,
    inspections: VecDeque<Inspection>,
    asleep: bool,
    closed: bool,
    /// Since when the writer waits for other processes.
    blocked: Option<Instant>,
}

/// Why the writer goes on.
pub(super) enum Woken {
    Work,
    Inspection(Inspection),
    Nothing,
    Closed,
}

impl Inbox {
    /// Puts an operation in; a closed one drops it, which its caller notices.
    pub(super) fn push(&self, work: Box<dyn Work>, first: bool) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if first {
            state.first.push_back(work);
        } else {
            state.weight += work.weight();
            state.rest.push_back(work);
        }
        self.wake_up(state);
    }

    pub(super) fn inspect(&self, inspection: Inspection) {
        let mut state = self.state.lock();
        if !state.closed {
            state.inspections.push_back(inspection);
            self.wake_up(state);
        }
    }

    /// Lets the writer look at how long it may sleep.
    pub(super) fn nudge(&self) {
        self.inspect(Box::new(|_| {}));
    }

    fn wake_up(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// Takes nothing more; what is in it is still done.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.wake_up(state);
    }

    /// Waits for an operation, at most so long.
    pub(super) fn wait(&self, pause: Duration) -> Woken {
        let mut state = self.state.lock();
        let end = Instant::now() + pause;
        loop {
            if let Some(inspection) = state.inspections.pop_front() {
                return Woken::Inspection(inspection);
            }
            if !state.first.is_empty() || !state.rest.is_empty() {
                return Woken::Work;
            }
            if state.closed {
                return Woken::Closed;
            }
            state.asleep = true;
            let timed_out = self.wake.wait_until(&mut state, end).timed_out();
            state.asleep = false;
            if timed_out && state.first.is_empty() && state.rest.is_empty() && state.inspections.is_empty() {
                return if state.closed { Woken::Closed } else { Woken::Nothing };
            }
        }
    }

    /// How many jobs the operations are about that wait, roughly.
    pub(super) fn weight(&self) -> usize {
        self.state.lock().weight
    }

    /// Takes out what goes into the next transaction.
    pub(super) fn take(&self) -> Vec<Box<dyn Work>> {
        let mut state = self.state.lock();
        let mut batch: Vec<_> = state.first.drain(..).collect();
        let mut weight = 0;
        while weight < BATCH
            && let Some(work) = state.rest.pop_front()
        {
            weight += work.weight();
            batch.push(work);
        }
        state.weight = if state.rest.is_empty() { 0 } else { state.weight.saturating_sub(weight) };
        batch
    }

    pub(super) fn block(&self, blocked: bool) {
        self.state.lock().blocked = blocked.then(Instant::now);
    }

    /// Everything that waits, if the writer has waited for other processes for so long; else how long it may still.
    pub(super) fn blocked_for(&self, bound: Duration) -> Result<Vec<Box<dyn Work>>, Option<Duration>> {
        let mut state = self.state.lock();
        let Some(since) = state.blocked else { return Err(None) };
        let left = bound.saturating_sub(since.elapsed());
        if left > Duration::ZERO {
            return Err(Some(left));
        }
        // Whoever comes later gets the same time.
        state.blocked = Some(Instant::now());
        let state = &mut *state;
        state.weight = 0;
        Ok(state.first.drain(..).chain(state.rest.drain(..)).collect())
    }
}
