//! What can be wrong with a mail before it is sent, and with a mailer.

use std::fmt;

use callboard_tasks::Problem;

use super::bounce::NotABounce;
use super::smtp::SendError;
use super::spool::SpoolError;

/// One thing that is wrong with a mail: which field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailProblem {
    /// The field, with the number of its item where it is a list: `subject`, `to/0`, `headers/X-Tag`.
    pub field: String,
    /// What is wrong with its value, and what to write instead.
    pub detail: String,
}

impl MailProblem {
    pub(super) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }

    /// What is wrong with a mail that was given as a report.
    pub(super) fn of_bounce(error: &NotABounce) -> MailError {
        Self::new("source", error.to_string()).into()
    }
}

impl fmt::Display for MailProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.detail)
    }
}

/// A mail that cannot be sent as it is: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidMail(pub Vec<MailProblem>);

impl InvalidMail {
    /// The same as mistakes among the arguments of a mail task.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let problem = |problem: MailProblem| Problem::new(format!("#/args/{}", problem.field), problem.detail);
        self.0.into_iter().map(problem).collect()
    }
}

/// Why a mail was not sent, or not even queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The mail itself is wrong; sending it again will not help.
    #[error(transparent)]
    Invalid(#[from] InvalidMail),
    /// There is no mailer of that alias.
    #[error("there is no mailer {alias:?}; there are {}", listed(.known))]
    UnknownMailer {
        /// The alias that was asked for.
        alias: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The file of a large mail could not be written or read, or is not what it was.
    #[error(transparent)]
    Spool(callboard_tasks::BoxError),
    /// A template could not be rendered.
    #[error("the template of the mail failed")]
    Template(#[from] callboard_templates::Error),
    /// The mail was not sent; [`SendError`] says whether trying again may help.
    #[error(transparent)]
    Send(#[from] SendError),
}

fn listed(aliases: &[String]) -> String {
    if aliases.is_empty() { "none at all".into() } else { aliases.join(", ") }
}

/// A mail that is wrong is answered like a call of a mail task that is (422, with a pointer to the field: `#/args/to/0`).
/// All else is no fault of the client's: it is logged, and answered by 500.
#[cfg(feature = "http")]
impl From<MailError> for callboard_http::Refused {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Invalid(invalid) => Self::invalid(invalid.into_problems()),
            error => Self::internal(&error),
        }
    }
}

impl From<SpoolError> for MailError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error.into())
    }
}

impl From<MailProblem> for MailError {
    fn from(problem: MailProblem) -> Self {
        Self::Invalid(InvalidMail(vec![problem]))
    }
}

/// A mailer that cannot be made as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mailer {alias:?} {problem}")]
pub struct InvalidMailer {
    /// The alias of the mailer.
    pub alias: String,
    /// The option that is at fault, as it is called in the settings.
    pub option: &'static str,
    /// What is wrong and what to do.
    pub problem: String,
}
