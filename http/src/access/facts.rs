//! What a request says of where it comes from, read from its head in one pass.

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;

use super::{COOKIE, Network, SECURE_COOKIE, hosts};

/// What the decision needs of a request.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    /// The address at the other end of the connection; IPv4 is written as IPv4.
    pub(crate) peer: Option<IpAddr>,
    /// The Host header; `None` if there is none, more than one, or another one in the request line.
    pub(crate) host: Option<&'a str>,
    /// Whether the connection itself is encrypted.
    pub(crate) secure: bool,
    /// Whether the method changes nothing.
    pub(crate) safe: bool,
    /// The Origin header.
    pub(crate) origin: Option<&'a str>,
    /// The Sec-Fetch-Site header.
    pub(crate) fetch_site: Option<&'a str>,
    /// Whether there is a cookie.
    pub(crate) cookie: bool,
    /// The Cookie headers.
    pub(crate) cookies: Vec<&'a str>,
    /// The Authorization header.
    pub(crate) authorization: Option<&'a str>,
    /// The X-Request-Id header.
    pub(crate) request_id: Option<&'a HeaderValue>,
    /// All headers by which proxies say that they passed a request on, in order.
    pub(crate) forwarded: Vec<(&'a str, &'a str)>,
}

impl<'a> Facts<'a> {
    /// The facts of a request.
    pub(crate) fn of(head: &'a RequestHead, secure: bool) -> Self {
        let mut facts = Self {
            peer: head.peer_addr.map(|peer| peer.ip().to_canonical()),
            secure,
            safe: matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE),
            ..Self::default()
        };
        let mut hosts = 0;
        for (name, value) in head.headers.iter() {
            match name.as_str() {
                "host" => {
                    hosts += 1;
                    facts.host = Some(text(value));
                }
                "origin" => facts.origin = Some(text(value)),
                "sec-fetch-site" => facts.fetch_site = Some(text(value)),
                "cookie" => {
                    facts.cookie = true;
                    facts.cookies.push(text(value));
                }
                "authorization" => facts.authorization = Some(text(value)),
                "x-request-id" => facts.request_id = Some(value),
                name @ ("forwarded" | "via" | "x-real-ip") => facts.forwarded.push((name, text(value))),
                name if name.starts_with("x-forwarded-") => facts.forwarded.push((name, text(value))),
                _ => {}
            }
        }
        // Two hosts could mean one thing to a proxy and another to us, wherever the second one stands.
        let named = head.uri.authority().map(|authority| authority.as_str());
        facts.host = match (hosts, named) {
            (0, named) => named,
            (1, Some(named)) => facts.host.filter(|host| host.eq_ignore_ascii_case(named)),
            (1, None) => facts.host,
            _ => None,
        };
        facts
    }

    /// The id of a session of the dashboard; of two, the one that only this very host can have set.
    pub(crate) fn session(&self) -> Option<&'a str> {
        let named = |wanted: &str| {
            let pairs = self.cookies.iter().flat_map(|cookies| cookies.split(';'));
            pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == wanted)
        };
        [SECURE_COOKIE, COOKIE].into_iter().find_map(named).map(|(_, id)| id)
    }

    /// Whether a proxy passed it on, by what it says.
    pub(crate) fn is_forwarded(&self) -> bool {
        !self.forwarded.is_empty()
    }

    /// Whether every header that says for whom a proxy asks says: for this machine. A proxy sets one of them; the
    /// others may be the client's own invention, so one that disagrees is enough for a no.
    pub(crate) fn is_forwarded_for_loopback(&self, proxies: &[Network]) -> bool {
        let mut said = false;
        for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let values = || self.forwarded.iter().filter(|(header, _)| *header == name);
            if values().next().is_none() {
                continue;
            }
            said = true;
            let clients = values().flat_map(|(_, value)| value.split(','));
            let clients: Vec<_> = if name == "forwarded" {
                clients.map(|hop| parameter(hop, "for").and_then(address)).collect()
            } else {
                clients.map(address).collect()
            };
            if !client(&clients, proxies).is_some_and(|ip| ip.is_loopback()) {
                return false;
            }
        }
        said
    }

    /// Who asks, as far as it can be told: the peer, or for whom a proxy of ours says that it asks.
    pub(crate) fn client(&self, proxies: &[Network]) -> Option<IpAddr> {
        let peer = self.peer?;
        if !proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Some(peer);
        }
        let said = |name: &str| {
            let values = self.forwarded.iter().filter(|(header, _)| *header == name);
            let hops = values.flat_map(|(_, value)| value.split(','));
            let hops = hops
                .map(|hop| if name == "forwarded" { parameter(hop, "for").and_then(address) } else { address(hop) });
            client(&hops.collect::<Vec<_>>(), proxies)
        };
        ["x-forwarded-for", "forwarded", "x-real-ip"].into_iter().find_map(said).or(Some(peer))
    }

    /// Whether it says that it comes from a page of this very origin.
    pub(crate) fn has_own_origin(&self, proxies: &[Network]) -> bool {
        self.origin.is_some_and(|origin| hosts::is_origin_of(origin, self.scheme(proxies), self.host))
    }

    /// `http` or `https`, as the browser sees it.
    pub(crate) fn scheme(&self, proxies: &[Network]) -> &'static str {
        let trusted = self.peer.is_some_and(|peer| proxies.iter().any(|proxy| proxy.contains(peer)));
        let said = trusted.then(|| {
            self.forwarded.iter().rev().find_map(|(name, value)| match *name {
                "x-forwarded-proto" => value.rsplit(',').next().map(str::trim),
                "forwarded" => value.rsplit(',').next().and_then(|hop| parameter(hop, "proto")),
                _ => None,
            })
        });
        match said.flatten() {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            Some(_) => "http",
            None if self.secure => "https",
            None => "http",
        }
    }
}

/// The client of a chain of hops: the last one that is no proxy of ours. `None` where that is not an address.
fn client(hops: &[Option<IpAddr>], proxies: &[Network]) -> Option<IpAddr> {
    let is_proxy = |hop: &IpAddr| proxies.iter().any(|proxy| proxy.contains(*hop));
    for hop in hops.iter().rev() {
        match hop {
            Some(hop) if is_proxy(hop) => {}
            hop => return *hop,
        }
    }
    // All of them are ours: the request began at the first.
    hops.first().copied().flatten()
}

/// An address as proxies write it: with or without a port, quotes and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let ip = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?.parse().ok()?,
        None => match text.parse::<IpAddr>() {
            Ok(ip) => ip,
            Err(_) => text.rsplit_once(':')?.0.parse().ok()?,
        },
    };
    Some(ip.to_canonical())
}

/// A parameter of one hop of a Forwarded header.
fn parameter<'a>(hop: &'a str, name: &str) -> Option<&'a str> {
    hop.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// A header's text; what is not ASCII becomes something that equals nothing we compare with.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("\u{fffd}")
}
