//! Host names: which ones are this machine, and which origin belongs to one.

/// Whether the Host is one of the names that mean this very machine, at any port.
pub(super) fn is_loopback(host: Option<&str>) -> bool {
    host.and_then(split)
        .is_some_and(|(name, _)| name == "127.0.0.1" || name == "[::1]" || name.eq_ignore_ascii_case("localhost"))
}

/// Whether the Host is in the list; an entry without a port stands for all ports.
pub(super) fn is_listed(host: Option<&str>, listed: &[String]) -> bool {
    let Some((host, (name, _))) = host.and_then(|host| Some((host, split(host)?))) else { return false };
    listed.iter().any(|entry| entry.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(name))
}

/// Whether an Origin is that of pages which this Host serves.
pub(super) fn is_origin_of(origin: &str, scheme: &str, host: Option<&str>) -> bool {
    let Some((origin_scheme, authority)) = origin.split_once("://") else { return false };
    let Some(host) = host else { return false };
    let standard = if scheme == "https" { "443" } else { "80" };
    match (split(authority), split(host)) {
        (Some((a, a_port)), Some((b, b_port))) => {
            origin_scheme.eq_ignore_ascii_case(scheme)
                && a.eq_ignore_ascii_case(b)
                && a_port.unwrap_or(standard) == b_port.unwrap_or(standard)
        }
        _ => false,
    }
}

/// A host's name and port; `None` for what is neither.
fn split(host: &str) -> Option<(&str, Option<&str>)> {
    let end_of_name = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, rest) = host.split_at(end_of_name);
    match rest.strip_prefix(':') {
        _ if name.is_empty() => None,
        None if rest.is_empty() => Some((name, None)),
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => Some((name, Some(port))),
        _ => None,
    }
}
