//! Makes a violation of a report: the same thing looks the same, whichever browser sent it in whichever format.

use std::fmt::Write as _;

use callboard_tasks::Timestamp;
use sha2::{Digest as _, Sha256};

use super::noise::is_noise;
use super::parse::Raw;
use super::strip::{self, Address};
use super::violation::{Blocked, CspViolation, Disposition, Position};

/// What is known of a report besides itself.
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Timestamp,
    /// The User-Agent of the request.
    pub(crate) user_agent: &'a str,
    /// The pattern of the route that a path of this server has.
    pub(crate) route: &'a dyn Fn(&str) -> Option<String>,
}

/// The violation; `None` if it is none of the application's doing.
pub(crate) fn normalise(raw: &Raw, about: &Circumstances<'_>) -> Option<CspViolation> {
    if is_noise(&raw.blocked) || is_noise(&raw.source) || is_noise(&raw.document) {
        return None;
    }
    let document = Address::read(&raw.document);
    let user_agent = if raw.user_agent.is_empty() { about.user_agent } else { &raw.user_agent };
    Some(CspViolation {
        received_at: about.now,
        last_at: about.now,
        disposition: if raw.disposition == "report" { Disposition::Report } else { Disposition::Enforce },
        directive: directive(&raw.directive),
        blocked: blocked(&raw.blocked, document),
        page: page(document, about.route),
        source: position(raw, document),
        sample: strip::sample(&raw.sample),
        policy: policy(&raw.policy),
        browser: browser(user_agent),
        status: (100..600).contains(&raw.status).then_some(raw.status),
        count: 1,
    })
}

/// The name of a directive, from a text that may hold its values as well.
fn directive(text: &str) -> String {
    let name = text.split_ascii_whitespace().next().unwrap_or_default();
    let fits = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits && !name.is_empty() { name.to_ascii_lowercase() } else { "unknown".into() }
}

fn blocked(text: &str, document: Option<Address<'_>>) -> Blocked {
    match text {
        "inline" | "self" => return Blocked::Inline,
        "eval" => return Blocked::Eval,
        "wasm-eval" => return Blocked::WasmEval,
        "trusted-types-policy" | "trusted-types-sink" => return Blocked::TrustedTypes,
        "" => return Blocked::Unknown,
        _ => {}
    }
    if let Some(address) = Address::read(text) {
        let origin = address.origin();
        return match document {
            Some(document) if document.origin() == origin => Blocked::Own(strip::shown_path(address.path)),
            _ => Blocked::Origin(origin),
        };
    }
    // `data`, or `data:…`, whose rest is content.
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if scheme.len() <= 32 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return Blocked::Scheme(scheme);
    }
    Blocked::Unknown
}

fn page(document: Option<Address<'_>>, route: &dyn Fn(&str) -> Option<String>) -> String {
    let Some(document) = document else { return "unknown".into() };
    let path = if document.path.is_empty() { "/" } else { document.path };
    route(path).map_or_else(|| strip::shown_path(path), |pattern| strip::text(&pattern))
}

fn position(raw: &Raw, document: Option<Address<'_>>) -> Option<Position> {
    let address = Address::read(&raw.source);
    let file = match (address, document) {
        (Some(address), Some(document)) if address.origin() == document.origin() => strip::shown_path(address.path),
        (Some(address), _) => strip::text(&format!("{}{}", address.origin(), strip::shown_path(address.path))),
        (None, _) if raw.line == 0 => return None,
        (None, _) => String::new(),
    };
    Some(Position { file, line: raw.line, column: raw.column })
}

/// The hash of a policy whose nonces are gone, so that it is the same for all visitors.
fn policy(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut hash = Sha256::new();
    let mut rest = text;
    while let Some(start) = rest.find("'nonce-") {
        hash.update(&rest[..start]);
        hash.update("'nonce'");
        let nonce = &rest[start + 1..];
        rest = nonce.find('\'').map_or("", |end| &nonce[end + 1..]);
    }
    hash.update(rest);
    hash.finalize().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The family of a browser. Most name others besides themselves, so the order counts.
fn browser(user_agent: &str) -> &'static str {
    const FAMILIES: [(&str, &str); 5] =
        [("Edg", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari")];
    FAMILIES.iter().find(|(mark, _)| user_agent.contains(mark)).map_or("other", |(_, family)| family)
}
