//! What stands around every page: the navigation, the state of the server, who is looking.

use std::sync::LazyLock;

use actix_web::{HttpMessage as _, HttpRequest};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::STYLE;
use crate::access::{Caller, Right};
use crate::state::State;

/// The frame of a page.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    /// Where the routes are mounted; empty at the root.
    pub(super) prefix: String,
    /// Which entry of the navigation it belongs to.
    section: &'static str,
    title: String,
    style: &'static str,
    /// What carries it may be run.
    nonce: String,
    version: &'static str,
    read_only: bool,
    leaving: bool,
    draining: bool,
    /// The name of the token with which somebody has logged in.
    who: Option<String>,
    may: May,
}

/// What the one who looks may do: what nobody may do has no button, and what nobody may see no link.
#[derive(Debug, Serialize)]
struct May {
    write: bool,
    queues: bool,
    metrics: bool,
    audit: bool,
}

/// What the style is called by: the beginning of its hash.
pub(crate) fn style_version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| Sha256::digest(STYLE.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect());
    &VERSION
}

impl Frame {
    /// The frame of a page for that request, whose routes are mounted under `prefix`.
    pub(super) fn of(req: &HttpRequest, state: &State, prefix: &str, section: &'static str, title: &str) -> Self {
        let caller = state.caller(req);
        let read_only = state.policy.read_only;
        let nonce = req.extensions().get::<crate::csp::Slot>().and_then(|slot| slot.nonce().get().ok());
        Self {
            prefix: prefix.to_owned(),
            section,
            title: title.to_owned(),
            style: style_version(),
            nonce: nonce.map(|nonce| nonce.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            read_only,
            leaving: state.board.is_leaving(),
            draining: state.board.is_draining(),
            who: match &caller {
                Caller::Token(token) => Some(token.name.clone()),
                Caller::Local | Caller::Application | Caller::Anybody => None,
            },
            may: May {
                write: !read_only && caller.has(&Right::Write),
                queues: !read_only && caller.has(&Right::Queues),
                metrics: caller.has(&Right::Metrics),
                audit: caller.has(&Right::Audit),
            },
        }
    }
}
