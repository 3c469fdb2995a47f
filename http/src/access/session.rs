//! Sessions of the dashboard: whoever has shown a token gets a cookie instead of showing it again.
//!
//! A session stands for its token: it may do what the token may, and not for longer. Only the hash of its id is kept, and
//! in this process alone: whoever is let in is so by one server, until it ends.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callboard_tasks::Timestamp;
use jiff::SignedDuration;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::Token;
use crate::problem::Problem;

/// The cookie of a session that began by http.
pub(crate) const COOKIE: &str = "callboard-sid";
/// The cookie of a session that began by https: browsers take it from this very host alone.
pub(crate) const SECURE_COOKIE: &str = "__Host-callboard-sid";

/// A session ends when nobody has used it for so long,
const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// and in any case after so long.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So many are kept; then the one that was used the longest ago ends.
const MOST: usize = 10_000;

/// All sessions of a front end, by the hash of their ids.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

#[derive(Debug)]
struct Session {
    token: Arc<Token>,
    begun: Timestamp,
    used: Timestamp,
}

impl Session {
    fn holds(&self, now: Timestamp) -> bool {
        let end = |since: Timestamp, pause| since.checked_add(pause).unwrap_or(Timestamp::MAX);
        now < end(self.used, IDLE)
            && now < end(self.begun, LONGEST)
            && self.token.expires.is_none_or(|expires| now < expires)
    }
}

impl Sessions {
    /// Begins a session for the holder of a token, and gives its id.
    pub(crate) fn begin(&self, token: Arc<Token>, now: Timestamp) -> Result<String, Problem> {
        let mut id = [0; 32];
        getrandom::fill(&mut id).map_err(|_| Problem::internal())?;
        let id = URL_SAFE_NO_PAD.encode(id);
        let mut all = self.0.lock();
        if all.len() >= MOST {
            all.retain(|_, session| session.holds(now));
        }
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            all.remove(&oldest);
        }
        all.insert(hash(&id), Session { token, begun: now, used: now });
        Ok(id)
    }

    /// The token behind a session that holds.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<Arc<Token>> {
        let mut all = self.0.lock();
        let hash = hash(id);
        let session = all.get_mut(&hash)?;
        if !session.holds(now) {
            all.remove(&hash);
            return None;
        }
        session.used = now;
        Some(Arc::clone(&session.token))
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        self.0.lock().remove(&hash(id));
    }
}

fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}
