//! Who sees previews.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header;

/// Whether a request is of this machine, by a name of it: a page of another site could have a name of its own for us.
pub(super) fn is_local(req: &HttpRequest) -> bool {
    let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    let named = name.eq_ignore_ascii_case("localhost")
        || name.trim_start_matches('[').trim_end_matches(']').parse().is_ok_and(is_loopback);
    let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
    let is_direct = !forwarded.iter().any(|name| req.headers().contains_key(*name));
    named && is_direct && req.peer_addr().is_some_and(|peer| is_loopback(peer.ip()))
}
