//! Content Security Policy: typed policies, a nonce for each response, and what browsers report.
//!
//! It works in any actix-web application, with or without a board.
//!
//! | | |
//! |---|---|
//! | [`Policy`], [`PolicyBuilder`] | builds policies that cannot be wrong; [`Policy::lint`] finds what is weak |
//! | [`Policy::from_settings`] | the same from settings, in the shape of Django's `SECURE_CSP` |
//! | [`Csp`] | the middleware; [`Nonce`] is an argument of handlers |
//! | [`CspOverride`], [`Delta`] | what a route says in place of the application's policies |
//! | [`CspPolicy`], [`SetPolicy`] | changes the policies while the program runs |
//! | [`CspReports`], [`Collector`] | receives violations, and sends them to any [`actix::Recipient`] |

mod answer;
mod builder;
mod compiled;
mod delta;
mod directive;
mod hash;
mod host;
mod lint;
mod live;
mod middleware;
mod nonce;
mod overriding;
mod pairs;
mod policies;
mod policy;
mod problem;
mod reports;
mod settings;
mod slot;
mod source;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use builder::PolicyBuilder;
pub use delta::Delta;
pub use directive::Directive;
pub use hash::{Algorithm, Hash};
pub use host::{Host, Scheme};
pub use lint::{Lint, LintKind};
pub use live::{CspCounts, CspPolicy, GetPolicy, LivePolicy, PolicyChanged, SetPolicy};
pub use middleware::{Answer, Csp, CspService};
pub use nonce::{Nonce, NonceError, NonceText, nonce_attr};
pub use overriding::{CspOverride, Overriding};
pub use pairs::Pairs;
pub use policies::Policies;
pub use policy::Policy;
pub use problem::{PolicyError, PolicyProblem};
pub use reports::{
    Blocked, Collector, CspReports, CspViolation, Disposition, GetReports, Position, ReceiveViolations, ReportCounts,
    ReportLimits, ReportSummary, SubscribeViolations,
};
pub use settings::SettingValue;
pub use source::{Origin, Origins, Source, SourceError, Sources, Unsafe};
pub use words::Allow;

#[cfg(any(test, fuzzing))]
pub(crate) use reports::{desk, normalise, parse};
pub(crate) use reports::{options, post};
pub(crate) use slot::Slot;
