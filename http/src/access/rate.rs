//! How many requests are taken from one client: the generic cell rate algorithm, which needs one time for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderValue};
use callboard_tasks::parse_duration;
use parking_lot::Mutex;

use super::{Caller, Facts, Network};
use crate::problem::{Kind, Problem};

/// So many clients are told apart; beyond that those are forgotten who have all of their requests again.
const CLIENTS: usize = 10_000;

/// So many requests in so long a time, written `100/1m`. All of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many; at least 1.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a rate; write a number of requests and a time, as in \"100/1m\"");
        let (requests, per) = text.split_once('/').ok_or_else(wrong)?;
        let requests = requests.trim().parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero()).ok_or_else(wrong)?;
        Ok(Self { requests, per })
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Those with a token, by its id.
    Token(String),
    /// Those of an address; of IPv6 the network, of which one client has many.
    Address(Option<IpAddr>),
}

impl Client {
    /// Whose request this is.
    pub(crate) fn of(caller: Option<&Caller>, facts: &Facts<'_>, proxies: &[Network]) -> Self {
        match caller {
            Some(Caller::Token(token)) => Self::Token(token.id.clone()),
            _ => Self::Address(facts.client(proxies).map(network)),
        }
    }
}

/// The address itself, or of IPv6 the first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

/// Counts the requests of each client against one limit.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    limit: RateLimit,
    /// When each client will have all of its requests again.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Hash + Eq> Limiter<K> {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, full_at: Mutex::default() }
    }

    /// Takes one request of a client. An error is how long it should wait.
    pub(crate) fn take_at(&self, client: K, now: Instant) -> Result<(), Duration> {
        let each = self.limit.per / self.limit.requests.max(1);
        let mut all = self.full_at.lock();
        if all.len() >= CLIENTS {
            all.retain(|_, full_at| *full_at > now);
        }
        let full_at = all.entry(client).or_insert(now);
        let next = (*full_at).max(now) + each;
        match (next - now).checked_sub(self.limit.per) {
            Some(beyond) if !beyond.is_zero() => Err(beyond),
            _ => {
                *full_at = next;
                Ok(())
            }
        }
    }

    /// Takes one request of a client now.
    pub(crate) fn take(&self, client: K) -> Result<(), Problem> {
        self.take_at(client, Instant::now()).map_err(|pause| {
            let seconds = pause.as_secs() + 1;
            let RateLimit { requests, per } = self.limit;
            let per = callboard_tasks::format_duration(per);
            let detail = format!("at most {requests} requests in {per} are taken; the next one in {seconds} s");
            Problem::bare(Kind::RateLimited, detail).header(header::RETRY_AFTER, HeaderValue::from(seconds))
        })
    }
}
