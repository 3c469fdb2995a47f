//! Why a durable store could not be opened.

use callboard_actors::OpenFailure;
use callboard_tasks::BoxError;

/// Why a durable store could not be opened; nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database does not answer, or refuses the connection. The same may succeed later.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// The file, or the URL without its password.
        place: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// What the settings say of it cannot be.
    #[error("{place} {problem}")]
    Invalid {
        /// The file, or the URL without its password.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The schema was made by a later version of Callboard.
    #[error(
        "{place} has schema version {found}, made by a newer callboard; this one knows versions up to {known}: \
         upgrade this program"
    )]
    Newer {
        /// The file, or the URL without its password.
        place: String,
        /// The version in the database.
        found: u32,
        /// The last version that this program knows.
        known: u32,
    },
    /// A step of the schema was not made by what this program has under that number.
    #[error(
        "{place} has a schema step {version} ({name}) that differs from the one in this program; \
         it was changed by hand or by an unreleased version"
    )]
    Altered {
        /// The file, or the URL without its password.
        place: String,
        /// The number of the step.
        version: u32,
        /// Its name, as this program has it.
        name: &'static str,
    },
}

impl From<OpenError> for OpenFailure {
    fn from(error: OpenError) -> Self {
        let in_passing = matches!(error, OpenError::Unreachable { .. });
        Self { problem: Box::new(error), in_passing }
    }
}
