//! Headers that belong beside a policy.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::directive::Directive;
use super::policy::Policy;
use super::source::Source;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Headers that belong beside a policy. What an answer says itself is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// `X-Content-Type-Options: nosniff`, on every answer.
    pub nosniff: bool,
    /// `X-Frame-Options`, as far as it can say what `frame-ancestors` says, for old browsers.
    pub frame_options: bool,
    /// `Referrer-Policy` of pages; `same-origin`.
    pub referrer_policy: Option<HeaderValue>,
    /// `Cross-Origin-Opener-Policy` of pages; `same-origin`.
    pub opener_policy: Option<HeaderValue>,
    /// `Permissions-Policy` of pages; no camera, microphone, place, payment or USB.
    pub permissions_policy: Option<HeaderValue>,
    /// `Strict-Transport-Security` on encrypted connections, for as long. Not unless said: browsers refuse plain
    /// connections to the host for that time, whatever happens.
    pub strict_transport: Option<Duration>,
}

impl Default for Pairs {
    fn default() -> Self {
        let permissions = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";
        Self {
            nosniff: true,
            frame_options: true,
            referrer_policy: Some(HeaderValue::from_static("same-origin")),
            opener_policy: Some(HeaderValue::from_static("same-origin")),
            permissions_policy: Some(HeaderValue::from_static(permissions)),
            strict_transport: None,
        }
    }
}

impl Pairs {
    /// None of them: the application sends its own.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            nosniff: false,
            frame_options: false,
            referrer_policy: None,
            opener_policy: None,
            permissions_policy: None,
            strict_transport: None,
        }
    }

    /// Adds those that an answer does not have.
    pub(crate) fn add(&self, headers: &mut HeaderMap, policy: Option<&Policy>, document: bool, secure: bool) {
        let mut add = |name: HeaderName, value: HeaderValue| {
            if !headers.contains_key(&name) {
                headers.insert(name, value);
            }
        };
        if self.nosniff {
            add(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if self.frame_options
            && let Some(ancestors) = policy.and_then(|policy| policy.sources(Directive::FrameAncestors))
        {
            match ancestors.as_slice() {
                [] => add(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
                [Source::SelfOrigin] => add(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
                // It can name nobody else.
                _ => {}
            }
        }
        if let Some(time) = self.strict_transport.filter(|_| secure)
            && let Ok(value) = HeaderValue::try_from(format!("max-age={}", time.as_secs()))
        {
            add(header::STRICT_TRANSPORT_SECURITY, value);
        }
        if document {
            let of_pages = [
                (header::REFERRER_POLICY, &self.referrer_policy),
                (OPENER_POLICY, &self.opener_policy),
                (PERMISSIONS_POLICY, &self.permissions_policy),
            ];
            for (name, value) in of_pages {
                if let Some(value) = value {
                    add(name, value.clone());
                }
            }
        }
    }
}
