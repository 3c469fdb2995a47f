//! Reports of violations: what browsers send, made into something that can be read, counted and passed on.
//!
//! ```text
//! browser ─► Collector (HTTP: size, rate, origin, format) ─► CspReports (actor: dedupe, count, keep) ─► recipients
//! ```
//!
//! Everybody can send reports, so nothing in them is believed and everything is bounded. They hold secrets of
//! visitors (addresses with queries, the nonce of the page), which are cut off before anything else sees them.

mod actor;
mod buckets;
mod collector;
pub(crate) mod desk;
mod noise;
pub(crate) mod normalise;
mod origins;
pub(crate) mod parse;
pub(crate) mod strip;
mod violation;

pub use actor::{CspReports, GetReports, ReceiveViolations, SubscribeViolations};
pub use collector::{Collector, ReportLimits};
pub use desk::{ReportCounts, ReportSummary};
pub use violation::{Blocked, CspViolation, Disposition, Position};

pub(crate) use collector::{options, post};
