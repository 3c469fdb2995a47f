//! Writes the headers of one answer. The rules stand here, each at its line.

use std::sync::Arc;

use actix_web::dev::ResponseHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tracing::{debug, error, warn};

use super::live::{LivePolicy, count};
use super::nonce::NonceText;
use super::overriding::{Choice, CspOverride};
use super::pairs::Pairs;
use super::policy::Policy;
use super::slot::Slot;
use crate::access::Network;

const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");
const STRICTEST: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What a middleware was told.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) live: LivePolicy,
    /// For answers that are no pages.
    pub(crate) other: Option<Policy>,
    pub(crate) pairs: Pairs,
    pub(crate) proxies: Vec<Network>,
}

/// What is needed to write the headers of one answer.
pub(crate) struct Answering {
    pub(crate) setup: Arc<Setup>,
    pub(crate) slot: Slot,
    /// Whether the browser came by https.
    pub(crate) secure: bool,
}

impl Answering {
    /// Writes them. `failed`: the answer is that of an error, not the route's own.
    pub(crate) fn write(&self, head: &mut ResponseHead, failed: bool, route: impl Fn() -> Option<String>) {
        let Setup { live, other, pairs, .. } = self.setup.as_ref();
        let nonce = self.slot.nonce().seal();
        // A browser lays the headers of a 304 over those of the page that it kept: a new nonce would stop its scripts.
        if head.status == StatusCode::NOT_MODIFIED || head.status.is_informational() {
            return;
        }
        let current = live.current();
        let document = is_document(head.headers());
        let base = document.then_some(&current.policies);
        let enforce = base.map_or(other.as_ref(), |policies| policies.enforce.as_ref());
        let report_only = base.and_then(|policies| policies.report_only.as_ref());
        let chosen = if failed { CspOverride::default() } else { self.slot.chosen() };
        let pick = |choice: &Option<Choice>, base: Option<&Policy>, own: Option<&Policy>| match choice {
            Some(choice) => choice.policy(own, &current),
            None => base.cloned(),
        };
        let enforce = pick(&chosen.enforce, enforce, current.policies.enforce.as_ref());
        let report_only = pick(&chosen.report_only, report_only, current.policies.report_only.as_ref());
        for choice in [&chosen.enforce, &chosen.report_only].into_iter().flatten() {
            if let Some(reason) = choice.reason() {
                debug!(route = route(), reason, "answered without a content security policy");
                live.exempt(route().unwrap_or_default(), reason);
            }
        }
        if document {
            self.look_at_nonce(nonce.as_ref(), [&enforce, &report_only], &route);
        }

        let mut named = None;
        let slots =
            [(header::CONTENT_SECURITY_POLICY, &enforce), (header::CONTENT_SECURITY_POLICY_REPORT_ONLY, &report_only)];
        for (name, policy) in slots {
            let Some(policy) = policy else { continue };
            let endpoint = policy.endpoint().filter(|_| self.secure);
            // One name can have one address alone; who comes second goes without.
            let endpoint = endpoint.filter(|endpoint| {
                named.is_none_or(|(group, header): (&String, &HeaderValue)| {
                    *group != endpoint.group || *header == endpoint.header
                })
            });
            let Some(value) = self.value(policy, nonce.as_ref(), endpoint.is_some(), head) else { continue };
            // Never two of one name: browsers would enforce both.
            if let Some(own) = head.headers().get(&name) {
                if own != value && count(&live.counters().header_conflicts) {
                    debug!(route = route(), %name, "an answer brought another content security policy, which it keeps");
                }
                continue;
            }
            head.headers_mut().insert(name, value);
            if let Some(endpoint) = endpoint
                && named.is_none_or(|(group, _)| group != &endpoint.group)
            {
                head.headers_mut().append(REPORTING_ENDPOINTS, endpoint.header.clone());
                named = Some((&endpoint.group, &endpoint.header));
            }
        }
        pairs.add(head.headers_mut(), enforce.as_ref(), document, self.secure);
        if nonce.is_some() && prevent_caching(head.headers_mut()) && count(&live.counters().caching_prevented) {
            warn!(route = route(), "a page with a nonce could have been kept by a cache; its headers were changed");
        }
    }

    fn look_at_nonce(
        &self,
        nonce: Option<&NonceText>,
        policies: [&Option<Policy>; 2],
        route: &impl Fn() -> Option<String>,
    ) {
        let counters = self.setup.live.counters();
        let mut policies = policies.into_iter().flatten().peekable();
        let has_policy = policies.peek().is_some();
        let has_place = policies.any(Policy::has_nonce);
        if nonce.is_some() && has_policy && !has_place {
            if count(&counters.nonces_without_place) {
                warn!(route = route(), "a page used the nonce, but its policy has none: what carries it does not run");
            }
        } else if nonce.is_none() && has_place && count(&counters.nonces_unused) {
            debug!(route = route(), "a page did not use the nonce that its policy has");
        }
    }

    /// The header's value. One that cannot be sent is a mistake of ours: then the strictest policy stands in, and
    /// where we are debugged the answer says so.
    fn value(
        &self,
        policy: &Policy,
        nonce: Option<&NonceText>,
        named: bool,
        head: &mut ResponseHead,
    ) -> Option<HeaderValue> {
        match policy.header(nonce, named) {
            Ok(value) => Some(value),
            Err(_) => {
                error!(%policy, "a content security policy could not be written");
                count(&self.setup.live.counters().unfit_headers);
                if cfg!(debug_assertions) {
                    head.status = StatusCode::INTERNAL_SERVER_ERROR;
                }
                Some(STRICTEST)
            }
        }
    }
}

/// Whether a browser makes a page of it.
fn is_document(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "text/html" | "text/xml" | "application/xml") || essence.ends_with("+xml")
}

/// Keeps a page with a nonce out of caches, where others would find it. Whether it had been for them.
fn prevent_caching(headers: &mut HeaderMap) -> bool {
    let said = headers.get_all(header::CACHE_CONTROL).filter_map(|value| value.to_str().ok());
    let said = said.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let says = |wanted: &str| said.split(',').any(|word| word.split('=').next().unwrap_or_default().trim() == wanted);
    let shared = says("public") || says("s-maxage");
    if shared || !(says("private") || says("no-store")) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // With a validator the page would be asked for again and found unchanged, nonce and all.
    let etag = headers.remove(header::ETAG).next().is_some();
    let modified = headers.remove(header::LAST_MODIFIED).next().is_some();
    shared || etag || modified
}
