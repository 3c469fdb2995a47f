//! How a backend comes to its store: opened when the board starts, with the board's clock.

use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{BoxError, Clock, Store};
use futures::future::BoxFuture;

/// Opens the store of a backend when its board starts.
pub trait OpenStore: Send + Sync + 'static {
    /// What kind of store it is, in one word: health says it.
    fn kind(&self) -> &'static str;

    /// Opens it. It may be asked again after a failure in passing.
    ///
    /// # Errors
    ///
    /// [`OpenFailure`].
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Store>, OpenFailure>>;
}

/// What a store is opened with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opening {
    /// The clock of the board.
    pub clock: Clock,
    /// How long a successful job is kept.
    pub keep_successful: Duration,
    /// How long a job is kept that ended otherwise.
    pub keep_failed: Duration,
}

impl Opening {
    /// With this clock and the usual retention: 7 days and 30 days.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        const DAY: u64 = 24 * 3600;
        Self { clock, keep_successful: Duration::from_secs(7 * DAY), keep_failed: Duration::from_secs(30 * DAY) }
    }
}

/// Why a store was not opened.
#[derive(Debug)]
pub struct OpenFailure {
    /// What went wrong.
    pub problem: BoxError,
    /// Whether the same may succeed later: the database does not answer now.
    pub in_passing: bool,
}
