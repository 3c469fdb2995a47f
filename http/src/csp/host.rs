//! Hosts and schemes as sources: `https://cdn.example.com:443/js/`, `*.example.com`, `wss:`.

use std::fmt;

use super::source::SourceError;

/// A host from which something may come, with or without scheme, port and path; its text is checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// Reads a host as it stands in a policy.
    ///
    /// # Errors
    ///
    /// [`SourceError`] with the part that no browser would understand.
    pub fn new(text: impl Into<String>) -> Result<Self, SourceError> {
        let text = text.into();
        match check_host(&text) {
            Ok(()) => Ok(Self(text)),
            Err(detail) => Err(SourceError::new(text, detail)),
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an IP address that browsers never match: all but 127.0.0.1.
    pub(crate) fn is_dead_address(&self) -> bool {
        let authority = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let name = authority.split(['/', ':']).next().unwrap_or(authority);
        name != "127.0.0.1" && name.parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// Whether everything it names comes unencrypted.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
            && !["http://127.0.0.1", "http://localhost"].iter().any(|local| self.0.starts_with(local))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A scheme from which anything may come, as in `wss:`; its text is checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scheme(String);

impl Scheme {
    /// Reads a scheme, with or without its colon.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it is none.
    pub fn new(text: &str) -> Result<Self, SourceError> {
        let name = text.strip_suffix(':').unwrap_or(text);
        if is_scheme(name) {
            return Ok(Self(format!("{name}:")));
        }
        Err(SourceError::new(text, "is no scheme; write letters and digits with a colon, as in \"wss:\""))
    }

    /// Its text, with the colon.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_scheme(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn check_host(text: &str) -> Result<(), &'static str> {
    if let Some(problem) = injection(text) {
        return Err(problem);
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        Some(_) => return Err("has a scheme that is none; write it as in \"https://cdn.example.com\""),
        None => text,
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if rest.contains(['?', '#']) {
        return Err("has a query or fragment, which is never compared; end it after the path");
    }
    if authority.contains('@') {
        return Err("has a user name, which is never compared; begin with the host");
    }
    if authority.starts_with('[') {
        return Err("is an IPv6 address, which no policy can name; give the machine a name");
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    if let Some(port) = port
        && port != "*"
        && !(port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
    {
        return Err("has a port that is none; write a number up to 65535, or \"*\"");
    }
    let labels = match name {
        "*" => return check_path(path),
        name => name.strip_prefix("*.").unwrap_or(name),
    };
    if labels.contains('*') {
        return Err("has a * that is no whole first label; write \"*.example.com\"");
    }
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !labels.strip_suffix('.').unwrap_or(labels).split('.').all(is_label) {
        return Err("is no host; write it as in \"https://cdn.example.com\" or \"*.example.com\"");
    }
    check_path(path)
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+=:@%".contains(&b);
    if path.bytes().all(fits) { Ok(()) } else { Err("has a character in its path that must be written as %XX") }
}

/// What would break out of a value: each of these ends a source, a directive, a policy or the header.
pub(crate) fn injection(text: &str) -> Option<&'static str> {
    text.chars().find_map(|c| match c {
        ';' => Some("contains \";\", which ends a directive; write %3B in a path, or give each directive its own key"),
        ',' => Some("contains \",\", which begins another policy; write %2C in a path, or separate values by spaces"),
        c if c.is_control() => Some("contains a line break or another control character; remove it"),
        c if !c.is_ascii() => Some("contains a character that is not ASCII; write names in Punycode, paths with %XX"),
        _ => None,
    })
}
