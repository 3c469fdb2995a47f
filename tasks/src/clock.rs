//! The only place that asks for the time: the system's clock, or one that a test sets by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Tells the time, in whole microseconds (what every store can keep). Clones share the same clock.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

struct Manual {
    now: Mutex<Timestamp>,
    listeners: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until it is moved with [`set`](Self::set) or [`advance`](Self::advance).
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Some(Arc::new(Manual { now: Mutex::new(whole_micros(start)), listeners: Mutex::default() })))
    }

    /// The time now, cut to whole microseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => whole_micros(Timestamp::now()),
            Some(manual) => *manual.now.lock(),
        }
    }

    /// Whether a test moves this clock, so that sleeping on it means waiting for [`on_change`](Self::on_change).
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        self.0.is_some()
    }

    /// Sets a manual clock and tells its listeners.
    ///
    /// # Panics
    ///
    /// On the system's clock, which nobody may set.
    pub fn set(&self, now: Timestamp) {
        let manual = self.0.as_ref().expect("only a manual clock can be set");
        *manual.now.lock() = whole_micros(now);
        for listener in manual.listeners.lock().iter() {
            listener();
        }
    }

    /// Moves a manual clock forward.
    ///
    /// # Panics
    ///
    /// On the system's clock, and beyond the year 9999.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).expect("a test does not wait for ages");
        self.set(self.now() + by);
    }

    /// Calls `listener` after each change of a manual clock; on the system's clock it is dropped.
    pub fn on_change(&self, listener: impl Fn() + Send + 'static) {
        if let Some(manual) = &self.0 {
            manual.listeners.lock().push(Box::new(listener));
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Clock::system"),
            Some(_) => write!(f, "Clock::manual({})", self.now()),
        }
    }
}

fn whole_micros(time: Timestamp) -> Timestamp {
    let nanos = time.subsec_nanosecond();
    Timestamp::new(time.as_second(), nanos - nanos % 1_000).expect("cutting nanoseconds stays in range")
}
