//! What a token allows.

use std::fmt;
use std::str::FromStr;

/// Something that a token allows, written `tasks:read`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// `tasks:enqueue`, or `tasks:enqueue:mail.*` for the tasks whose full names fit; `*` stands for any text.
    Enqueue(Option<String>),
    /// `tasks:read`: look tasks up and list them.
    Read,
    /// `tasks:write`: cancel, retry and change tasks.
    Write,
    /// `tasks:debug`: see the tracebacks of failed attempts.
    Debug,
    /// `queues:write`: pause, resume and limit queues; pause, resume and run schedules.
    QueuesWrite,
    /// `metrics:read`: see metrics, the details of health, and what browsers report.
    MetricsRead,
    /// `admin`: everything.
    Admin,
}

/// What a request is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right<'a> {
    /// Enqueue some task or other.
    EnqueueAny,
    /// Enqueue this one.
    Enqueue(&'a str),
    /// Look tasks up.
    Read,
    /// Change tasks.
    Write,
    /// See tracebacks.
    Debug,
    /// Pause and resume queues.
    Queues,
    /// See metrics, details of health, and what browsers report.
    Metrics,
    /// See what others have asked for.
    Audit,
}

impl Scope {
    /// Whether it includes a right.
    pub(crate) fn grants(&self, right: &Right<'_>) -> bool {
        match (self, right) {
            (Self::Admin, _)
            | (Self::Enqueue(_), Right::EnqueueAny)
            | (Self::Enqueue(None), Right::Enqueue(_))
            | (Self::Read, Right::Read)
            | (Self::Write, Right::Write)
            | (Self::Debug, Right::Debug)
            | (Self::QueuesWrite, Right::Queues)
            | (Self::MetricsRead, Right::Metrics) => true,
            (Self::Enqueue(Some(glob)), Right::Enqueue(task)) => fits(glob, task),
            _ => false,
        }
    }
}

/// Whether a name fits a pattern in which each `*` stands for any text.
fn fits(glob: &str, name: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "tasks:enqueue" => Self::Enqueue(None),
            "tasks:read" => Self::Read,
            "tasks:write" => Self::Write,
            "tasks:debug" => Self::Debug,
            "queues:write" => Self::QueuesWrite,
            "metrics:read" => Self::MetricsRead,
            "admin" => Self::Admin,
            other => match other.strip_prefix("tasks:enqueue:") {
                Some(glob) if is_glob(glob) => Self::Enqueue(Some(glob.to_owned())),
                _ => {
                    return Err(format!(
                        "{text:?} is not a scope; there are tasks:enqueue, tasks:enqueue:<name with *>, tasks:read, \
                         tasks:write, tasks:debug, queues:write, metrics:read and admin"
                    ));
                }
            },
        })
    }
}

fn is_glob(glob: &str) -> bool {
    !glob.is_empty() && glob.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-*".contains(&b))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enqueue(None) => f.write_str("tasks:enqueue"),
            Self::Enqueue(Some(glob)) => write!(f, "tasks:enqueue:{glob}"),
            Self::Read => f.write_str("tasks:read"),
            Self::Write => f.write_str("tasks:write"),
            Self::Debug => f.write_str("tasks:debug"),
            Self::QueuesWrite => f.write_str("queues:write"),
            Self::MetricsRead => f.write_str("metrics:read"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

impl fmt::Display for Right<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnqueueAny => f.write_str("tasks:enqueue"),
            Self::Enqueue(task) => write!(f, "tasks:enqueue:{task}"),
            Self::Read => f.write_str("tasks:read"),
            Self::Write => f.write_str("tasks:write"),
            Self::Debug => f.write_str("tasks:debug"),
            Self::Queues => f.write_str("queues:write"),
            Self::Metrics => f.write_str("metrics:read"),
            // No scope but the one that has everything.
            Self::Audit => f.write_str("admin"),
        }
    }
}
