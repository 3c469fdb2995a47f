//! A violation, with everything taken out of the report that is nobody's business.

use std::fmt;

use actix::Message;
use callboard_tasks::Timestamp;

/// Something that a policy blocked, or would have blocked, as a browser reported it: addresses are without user,
/// query and fragment, samples are short and without nonces and hashes, every text is bounded and free of control
/// characters. None of it is to be believed: everybody can send reports.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub struct CspViolation {
    /// When the first of them was received.
    pub received_at: Timestamp,
    /// When the last of them was received.
    pub last_at: Timestamp,
    /// Whether it was blocked.
    pub disposition: Disposition,
    /// The directive that it violated, as in `script-src-elem`.
    pub directive: String,
    /// What was blocked.
    pub blocked: Blocked,
    /// The page, as the pattern of its route (`/tasks/{id}`); a path that no route has, with its ids taken out.
    pub page: String,
    /// Where in the page's code it happened.
    pub source: Option<Position>,
    /// The beginning of a script or style, where the policy asks for it by `'report-sample'`.
    pub sample: String,
    /// Which policy it was: the hash of its text without nonces, 16 hexadecimal digits; empty if the report does not say.
    pub policy: String,
    /// The browser: `Chrome`, `Edge`, `Firefox`, `Safari` or `other`.
    pub browser: &'static str,
    /// The status of the page's answer, where it is known.
    pub status: Option<u16>,
    /// How many of the same this stands for.
    pub count: u64,
}

/// Whether a violation was blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// It was.
    Enforce,
    /// It was only reported.
    Report,
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        })
    }
}

/// What was blocked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Blocked {
    /// A script or style that stands in the page.
    Inline,
    /// Text that was to become script.
    Eval,
    /// Bytes that were to become WebAssembly.
    WasmEval,
    /// Plain text where a trusted value is wanted, or the policy that was to make one.
    TrustedTypes,
    /// Something of that scheme, such as `data`.
    Scheme(String),
    /// Something of the page's own origin, with its path.
    Own(String),
    /// Something of another origin, with its port if it is not the usual one.
    Origin(String),
    /// The report does not say.
    Unknown,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("inline"),
            Self::Eval => f.write_str("eval"),
            Self::WasmEval => f.write_str("wasm-eval"),
            Self::TrustedTypes => f.write_str("trusted-types"),
            Self::Scheme(scheme) => write!(f, "{scheme}:"),
            Self::Own(text) | Self::Origin(text) => f.write_str(text),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A place in code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The path of a file of the page's own origin, or the address of another.
    pub file: String,
    /// The line, from 1; 0 where the report does not say.
    pub line: u32,
    /// The column, from 1; 0 where the report does not say.
    pub column: u32,
}
