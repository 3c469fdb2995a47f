//! How many reports are taken: so many from each client, so many in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::collector::ReportLimits;

/// How many clients are told apart.
const CLIENTS: usize = 4_096;

/// What is left for whom.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    all: Option<Bucket>,
    clients: HashMap<IpAddr, Bucket>,
}

/// Fills by itself, up to its size.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    const fn full(size: u32, now: Instant) -> Self {
        Self { left: size as f64, at: now }
    }

    /// What is in it at that time, when `size` come in `per`.
    fn fill(&mut self, size: u32, per: Duration, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() / per.as_secs_f64() * f64::from(size);
        self.left = (self.left + gained).min(f64::from(size));
        self.at = now;
        self.left
    }

    fn take(&mut self, size: u32, per: Duration, now: Instant) -> Result<(), Duration> {
        if self.fill(size, per, now) < 1.0 {
            return Err(per.mul_f64((1.0 - self.left) / f64::from(size.max(1))));
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Buckets {
    /// Takes one for that client.
    ///
    /// # Errors
    ///
    /// How long to wait, if there is none.
    pub(super) fn take(&mut self, client: Option<IpAddr>, limits: &ReportLimits, now: Instant) -> Result<(), Duration> {
        const MINUTE: Duration = Duration::from_secs(60);
        const SECOND: Duration = Duration::from_secs(1);
        let size = limits.per_client_minute;
        if let Some(client) = client.map(network) {
            if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
                self.clients.retain(|_, bucket| bucket.fill(size, MINUTE, now) < f64::from(size));
            }
            // Where all of them are at it, the bound for all together must do.
            if self.clients.len() < CLIENTS || self.clients.contains_key(&client) {
                self.clients.entry(client).or_insert(Bucket::full(size, now)).take(size, MINUTE, now)?;
            }
        }
        let size = limits.per_second;
        self.all.get_or_insert(Bucket::full(size, now)).take(size, SECOND, now)
    }
}

/// What one client is: an address, or the network that one gets where addresses are plenty.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip => ip,
    }
}
