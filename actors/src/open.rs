//! How a backend comes to its store: opened when the board starts, with the board's clock.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{BoxError, Clock, Store, Timestamp};
use futures::future::BoxFuture;

/// Opens the store of a backend when its board starts.
pub trait OpenStore: Any + Send + Sync {
    /// What kind of store it is, in one word: health says it.
    fn kind(&self) -> &'static str;

    /// Opens it. It may be asked again after a failure in passing.
    ///
    /// # Errors
    ///
    /// [`OpenFailure`].
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Store>, OpenFailure>>;

    /// The schema that the store keeps in a database; `None` for one without.
    fn schema(&self) -> Option<Box<dyn Schema>> {
        None
    }
}

/// The schema of a store, which is brought up to date when the store is opened, or by hand.
pub trait Schema: Send + Sync {
    /// The steps that this program has, with when each was taken.
    ///
    /// # Errors
    ///
    /// [`OpenFailure`] if the database cannot be read, or was made by a newer program.
    fn status(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>>;

    /// Takes the steps that were not taken yet; all steps, with when each was taken.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status); each step is taken whole or not at all.
    fn bring_up(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>>;

    /// All steps as statements, for whoever runs them by hand.
    fn sql(&self) -> String;
}

/// A step of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStep {
    /// Its number, counted from 1.
    pub version: u32,
    /// What it does, in a few words.
    pub name: String,
    /// When it was taken; `None` if it is still to be taken.
    pub applied_at: Option<Timestamp>,
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

/// A configured store that nobody has opened yet: for tools that work on a store without a board.
#[derive(Debug)]
pub struct Unopened {
    pub(crate) opener: Arc<dyn OpenStore>,
    pub(crate) keep_successful: Duration,
    pub(crate) keep_failed: Duration,
}

impl Unopened {
    /// What opens it.
    #[must_use]
    pub fn opener(&self) -> &dyn OpenStore {
        self.opener.as_ref()
    }

    /// Opens it, by that clock and with the retention of its backend.
    ///
    /// # Errors
    ///
    /// [`OpenFailure`].
    pub async fn open(&self, clock: Clock) -> Result<Arc<dyn Store>, OpenFailure> {
        let Self { keep_successful, keep_failed, .. } = *self;
        self.opener.open(Opening { clock, keep_successful, keep_failed }).await
    }
}

impl fmt::Debug for dyn OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
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
