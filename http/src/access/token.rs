//! Bearer tokens: `tk_<8 characters of id>_<43 of secret>`. Only the SHA-256 of a token is kept; its secret has 256
//! random bits, so no slow hash is needed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use callboard_tasks::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Caller, Scope};
use crate::problem::{Kind, Problem};

const ID: usize = 8;
const SECRET: usize = 43;

/// A token as the server keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The 8 characters after `tk_`, by which it is looked up; they are no secret.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the whole text of the token: see [`Token::digest`].
    pub sha256: [u8; 32],
    /// What it allows; nothing if empty.
    pub scopes: Vec<Scope>,
    /// From when on it is refused; `None` is never.
    pub expires: Option<Timestamp>,
}

impl Token {
    /// What is kept of a token's text.
    #[must_use]
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }

    /// The id in a token's text; `None` if it is not shaped like a token.
    #[must_use]
    pub fn id_of(text: &str) -> Option<&str> {
        let (id, secret) = text.strip_prefix("tk_")?.split_at_checked(ID)?;
        let secret = secret.strip_prefix('_')?;
        let base64url = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (secret.len() == SECRET && base64url(id) && base64url(secret)).then_some(id)
    }
}

/// Without the hash: what is printed may be logged.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// All tokens of a server.
#[derive(Debug, Default)]
pub(crate) struct TokenRing(HashMap<String, Arc<Token>>);

impl TokenRing {
    /// A ring of these tokens; of several with one id the last counts.
    pub(crate) fn new(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self(tokens.into_iter().map(|token| (token.id.clone(), Arc::new(token))).collect())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The caller that an Authorization header stands for.
    pub(crate) fn caller(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Problem> {
        let Some(authorization) = authorization else {
            return Err(refused("Bearer realm=\"callboard\"", "a bearer token is needed"));
        };
        let Some(text) = bearer(authorization) else {
            return Err(refused(
                "Bearer realm=\"callboard\"",
                "only Bearer tokens are taken: send `Authorization: Bearer tk_...`",
            ));
        };
        match self.verify(text, now) {
            Some(token) => Ok(Caller::Token(token)),
            None => Err(refused(
                "Bearer realm=\"callboard\", error=\"invalid_token\"",
                "the bearer token is malformed, unknown, or has expired",
            )),
        }
    }

    /// Finds and checks a token. An unknown id costs the same comparison as a known one.
    pub(crate) fn verify(&self, text: &str, now: Timestamp) -> Option<Arc<Token>> {
        let known = Token::id_of(text).and_then(|id| self.0.get(id));
        let expected = known.map_or([0; 32], |token| token.sha256);
        let same = bool::from(Token::digest(text).ct_eq(&expected));
        known.filter(|token| same && token.expires.is_none_or(|end| now < end)).cloned()
    }
}

/// The token of a header `Bearer <token>`; empty if there is none. `None` is another scheme.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(challenge: &'static str, detail: &'static str) -> Problem {
    Problem::new(Kind::Unauthorized, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
