//! Why a verb did not do what it was asked, how it says so, and with which code it leaves.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;

use callboard_tasks::{BoxError, StoreError};

use crate::bench::BenchError;
use crate::settings::SettingsError;
use crate::system::RunError;

use super::client::Refusal;
use super::output::{self, plain};

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It was called wrongly.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the store cannot be opened")]
    Store(#[source] BoxError),
    #[error("the store failed")]
    StoreFailed(#[from] StoreError),
    #[error("nothing was measured")]
    Bench(#[from] BenchError),
    #[error("the signals of the system cannot be heard")]
    Signals(#[source] io::Error),
    #[error("no token was created: {0}")]
    TokensFile(String),
    /// Nobody listens there.
    #[error("no server answers at {url}; start one with `{program}`, or name another with --url or CALLBOARD_URL")]
    NoServer { url: String, program: String },
    /// Somebody listens there, and yet no answer came.
    #[error("the request to {url} failed")]
    Request {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// What answers is no server of this kind.
    #[error("{url} does not answer like a callboard server: {problem}")]
    Foreign { url: String, problem: String },
    #[cfg(feature = "mail")]
    #[error("the mail was not sent")]
    Mail(#[source] crate::mail::MailError),
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

impl Error {
    /// Says it on stderr, with the chain of its causes, and gives the code to leave with. A program that asked for
    /// JSON also gets the problem that the server stated.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            // Whoever read the output has seen enough: `callboard ls | head`.
            return ExitCode::SUCCESS;
        }
        if let (true, Self::Refused(refusal)) = (json, self) {
            // stderr says the same; that it is read is not certain in either place.
            let _ = output::to_stdout(&format!("{}\n", refusal.text.trim_end()));
        }
        let mut text = format!("{}: {}\n", output::red("error"), plain(&self.to_string()));
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!("  because: {}\n", plain(&error.to_string())));
            cause = error.source();
        }
        // If stderr is gone as well, the code is all that is left to say.
        let _ = output::to_stderr(&text);
        self.code()
    }

    fn code(&self) -> ExitCode {
        match self {
            #[cfg(feature = "mail")]
            Self::Mail(crate::mail::MailError::Invalid(_)) => ExitCode::from(2),
            Self::Usage(_) | Self::Settings(_) | Self::Run(RunError::OpenBind(_)) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
