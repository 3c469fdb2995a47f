//! Who may come in: one pure decision about the facts of a request and what this server knows.
//!
//! Without tokens a server is open to the programs of its own machine and to nobody else. Three things make that
//! safe: the peer must be a loopback address, the Host must be a loopback name (a web page may point a name of
//! its own at 127.0.0.1), and nothing may say that the request was passed on by a proxy (through which the whole
//! world would be local). With tokens every request needs one; that is all that counts then.

mod facts;
mod hosts;
mod network;
mod rate;
mod scope;
mod session;
mod token;

#[cfg(test)]
mod tests;

pub use network::Network;
pub use rate::RateLimit;
pub use scope::Scope;
pub use token::Token;

pub(crate) use facts::Facts;
pub(crate) use rate::{Client, Limiter};
pub(crate) use scope::Right;
pub(crate) use session::{COOKIE, SECURE_COOKIE, Sessions};
pub(crate) use token::TokenRing;

use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use callboard_tasks::Timestamp;

use crate::config::Guard;
use crate::problem::{Kind, Problem};

/// What a server knows about who may come in.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Who guards the door.
    pub(crate) guard: Guard,
    /// Host names, besides the loopback ones, that this server answers for: lower case, with or without a port.
    pub(crate) hosts: Vec<String>,
    /// Peers whose forwarding headers are believed.
    pub(crate) proxies: Vec<Network>,
    /// The tokens; none means that none is needed.
    pub(crate) tokens: TokenRing,
    /// Those who have shown a token to the dashboard.
    pub(crate) sessions: Sessions,
    /// Whether nothing may be changed.
    pub(crate) read_only: bool,
}

/// On whose behalf a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A program of this machine, on a server without tokens: may do everything and see everything.
    Local,
    /// Whom the application around us has let in: may do everything.
    Application,
    /// The holder of a token: may do what its scopes say.
    Token(Arc<Token>),
    /// Nobody in particular, on a path that is open to all: may do nothing more.
    Anybody,
}

impl Policy {
    /// Decides. `public` paths are open to all, as [`Caller::Anybody`].
    pub(crate) fn admit(&self, facts: &Facts<'_>, public: bool, now: Timestamp) -> Result<Caller, Problem> {
        let caller = self.identify(facts, public, now)?;
        if self.read_only && !facts.safe {
            return Err(Problem::new(Kind::ReadOnly, "this server was started read-only"));
        }
        Ok(caller)
    }

    fn identify(&self, facts: &Facts<'_>, public: bool, now: Timestamp) -> Result<Caller, Problem> {
        if !self.tokens.is_empty() {
            let session = facts.session().filter(|_| facts.authorization.is_none());
            if let Some(token) = session.and_then(|session| self.sessions.find(session, now)) {
                // A browser sends its cookie whoever made it ask; a bearer token it sends for nobody.
                self.check_origin(facts)?;
                return Ok(Caller::Token(token));
            }
            return match self.tokens.caller(facts.authorization, now) {
                Err(_) if public => Ok(Caller::Anybody),
                answer => answer,
            };
        }
        if self.guard == Guard::Loopback {
            match self.check_local(facts).and_then(|()| self.check_host(facts.host)) {
                Err(_) if public => return Ok(Caller::Anybody),
                answer => answer?,
            }
        }
        self.check_origin(facts)?;
        Ok(match self.guard {
            Guard::Loopback => Caller::Local,
            Guard::Application => Caller::Application,
        })
    }

    fn check_host(&self, host: Option<&str>) -> Result<(), Problem> {
        if hosts::is_loopback(host) || hosts::is_listed(host, &self.hosts) {
            return Ok(());
        }
        let host = host.unwrap_or("");
        let detail = format!("{host:?} is not a host of this server; list it under `hosts` of its settings");
        Err(Problem::new(Kind::MisdirectedRequest, detail))
    }

    /// Insists that the request was made on this machine, by itself or through a proxy that we believe.
    fn check_local(&self, facts: &Facts<'_>) -> Result<(), Problem> {
        let trusted = facts.peer.is_some_and(|peer| self.proxies.iter().any(|proxy| proxy.contains(peer)));
        let local = match (trusted, facts.is_forwarded()) {
            (false, true) => {
                return Err(closed("the request was passed on by a proxy that is not one of `trusted_proxies`"));
            }
            (false, false) => facts.peer.is_some_and(|peer| peer.is_loopback()),
            (true, _) => facts.is_forwarded_for_loopback(&self.proxies),
        };
        if local { Ok(()) } else { Err(closed("without tokens this server is open to its own machine only")) }
    }

    /// Keeps pages of other sites from changing anything with the help of a visitor's browser.
    ///
    /// A request with neither header comes from a program; a cookie gives away a browser too old to send either.
    pub(crate) fn check_origin(&self, facts: &Facts<'_>) -> Result<(), Problem> {
        if facts.safe {
            return Ok(());
        }
        let why = match (facts.fetch_site, facts.origin) {
            (Some("same-origin"), _) => return Ok(()),
            (Some(site), _) => format!(
                "Sec-Fetch-Site is {:?}, so a browser sent this, and not for a page of this origin; programs leave \
                 that header out",
                beginning(site)
            ),
            (None, Some(origin)) => {
                let (scheme, host) = (facts.scheme(&self.proxies), facts.host);
                if hosts::is_origin_of(origin, scheme, host) {
                    return Ok(());
                }
                format!(
                    "Origin is {:?}, and this origin is {:?}; programs leave that header out",
                    beginning(origin),
                    format_args!("{scheme}://{}", beginning(host.unwrap_or_default()))
                )
            }
            (None, None) if !facts.cookie => return Ok(()),
            // The value of a cookie is a secret, so it is not repeated.
            (None, None) => "there is a Cookie with neither Sec-Fetch-Site nor Origin, as an old browser sends it; \
                             programs leave the Cookie out"
                .to_owned(),
        };
        Err(Problem::new(Kind::Csrf, why))
    }
}

/// So much of a header's value as an answer repeats.
fn beginning(value: &str) -> &str {
    const SHOWN: usize = 64;
    value.char_indices().nth(SHOWN).map_or(value, |(end, _)| &value[..end])
}

fn closed(why: &'static str) -> Problem {
    let detail = format!("{why}; create a token with `callboard token create` and send it as a bearer");
    Problem::new(Kind::Unauthorized, detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callboard\""))
}

/// As it stands in the audit log: names, and nothing that is secret.
impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("this machine"),
            Self::Application => f.write_str("the application"),
            Self::Token(token) => write!(f, "token {} ({:?})", token.id, token.name),
            Self::Anybody => f.write_str("anybody"),
        }
    }
}

impl Caller {
    /// Whether it has this right.
    pub(crate) fn has(&self, right: &Right<'_>) -> bool {
        match self {
            Self::Local | Self::Application => true,
            Self::Token(token) => token.scopes.iter().any(|scope| scope.grants(right)),
            Self::Anybody => false,
        }
    }

    /// Whether it may still be here: a token may have expired since.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        match self {
            Self::Token(token) => token.expires.is_none_or(|end| now < end),
            Self::Local | Self::Application | Self::Anybody => true,
        }
    }

    /// Insists on a right.
    pub(crate) fn must(&self, right: Right<'_>) -> Result<(), Problem> {
        if self.has(&right) {
            return Ok(());
        }
        let challenge = format!("Bearer realm=\"callboard\", error=\"insufficient_scope\", scope=\"{right}\"");
        let challenge = HeaderValue::try_from(challenge).expect("scopes are made of visible ASCII");
        Err(Problem::new(Kind::InsufficientScope, format!("this needs a token with the scope {right}"))
            .header(header::WWW_AUTHENTICATE, challenge))
    }

    /// Whether it may see where in the code an attempt failed.
    pub(crate) fn sees_tracebacks(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Application | Self::Anybody => false,
            Self::Token(_) => self.has(&Right::Debug),
        }
    }
}
