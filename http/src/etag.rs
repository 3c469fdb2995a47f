//! Entity tags: the version of a task, in quotes.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::problem::{Kind, Problem};

/// The tag of a version.
pub(crate) fn of(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("a number is visible ASCII")
}

/// What the client has already: the If-None-Match headers of a request.
pub(crate) struct Known<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Known<'a> {
    /// `None` if the client does not say.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        headers.contains_key(header::IF_NONE_MATCH).then_some(Self { headers })
    }

    /// Whether it has this version, by the weak comparison; `*` has every version.
    pub(crate) fn has(&self, version: u64) -> bool {
        let tag = format!("\"{version}\"");
        let values = self.headers.get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    }
}

/// What must be true for a change: the If-Match headers of a request.
pub(crate) enum Condition {
    /// Nothing in particular.
    None,
    /// One of these versions.
    OneOf(Vec<u64>),
}

impl Condition {
    /// The condition of a request. Weak tags and those that were not made here fit no version.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values: Vec<_> = headers.get_all(header::IF_MATCH).collect();
        let tags = || values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        if values.is_empty() || tags().any(|tag| tag.trim() == "*") {
            return Self::None;
        }
        let version = |tag: &str| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok();
        Self::OneOf(tags().filter_map(version).collect())
    }

    /// The version that a change must find, given the one that there is; an error if that does not fit.
    pub(crate) fn wanted(&self, actual: u64) -> Result<Option<u64>, Problem> {
        match self {
            Self::None => Ok(None),
            Self::OneOf(versions) if versions.contains(&actual) => Ok(Some(actual)),
            Self::OneOf(_) => {
                let detail = format!("the task has version {actual}, which If-Match does not name");
                Err(Problem::new(Kind::PreconditionFailed, detail))
            }
        }
    }
}
