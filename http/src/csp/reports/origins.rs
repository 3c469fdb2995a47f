//! Whose pages may report here.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{self, HeaderValue};

use crate::access::{Facts, Network};
use crate::problem::{Kind, Problem};

/// Origins besides our own.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(pub(super) Vec<String>);

impl Origins {
    fn allows(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// Insists that a report comes from our own pages or those of an origin that was allowed. Browsers send Origin
    /// with everything that a page of another site could make them send; a program can send what it likes anyway.
    pub(super) fn check(&self, facts: &Facts<'_>, proxies: &[Network]) -> Result<(), Problem> {
        match facts.origin {
            None => Ok(()),
            Some(origin) if self.allows(origin) || facts.has_own_origin(proxies) => Ok(()),
            Some(origin) => {
                let shown: String = origin.chars().take(64).collect();
                let detail =
                    format!("Origin is {shown:?}, whose pages do not report here; list it as an allowed origin");
                Err(Problem::new(Kind::Csrf, detail))
            }
        }
    }

    /// Lets the browser show the answer to an allowed origin, without which it does not send at all.
    pub(super) fn answer(&self, origin: Option<&str>, response: &mut HttpResponseBuilder) {
        if self.0.is_empty() {
            return;
        }
        response.insert_header((header::VARY, HeaderValue::from_static("Origin")));
        if let Some(origin) = origin.filter(|origin| self.allows(origin))
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
            response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")));
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")));
            response.insert_header((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")));
        }
    }
}
