//! The stores that the settings name, for verbs that work on a store without a board.

use std::path::PathBuf;

use callboard_actors::{Builder, OpenFailure, Unopened};
use clap::Args;

use super::error::Error;
use crate::settings::Settings;

/// Which store.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The alias of the backend
    #[arg(long, value_name = "ALIAS", default_value = "default")]
    backend: String,
}

impl Which {
    /// The store of that backend, as the settings or else the program say.
    pub(super) fn store(&self, builder: Builder) -> Result<Unopened, Error> {
        let settings = Settings::find(self.config.as_deref())?;
        let mut stores = builder.settings(settings).into_stores();
        let known = || stores.keys().map(|alias| format!("{alias:?}")).collect::<Vec<_>>().join(", ");
        let none = format!("no backend {:?} has a store outside of its process", self.backend);
        let hint = if stores.is_empty() { none } else { format!("{none}; those that have: {}", known()) };
        stores.remove(&self.backend).ok_or(Error::Usage(hint))
    }
}

impl From<OpenFailure> for Error {
    fn from(failure: OpenFailure) -> Self {
        Self::Store(failure.problem)
    }
}

/// Runs a future of a store, which needs no runtime of ours.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    futures::executor::block_on(work)
}
