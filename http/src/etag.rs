//! Entity tags: the version of a task, in quotes.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

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
