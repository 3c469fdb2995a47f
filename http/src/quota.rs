//! How much a caller may ask for in an hour, of something that the program counts: recipients of mail, say.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderValue};
use callboard_tasks::AnyCall;
use parking_lot::Mutex;

use crate::access::Caller;
use crate::problem::{Kind, Problem};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How much each token may ask for in an hour; without tokens all callers together.
///
/// ```
/// use callboard_http::{HttpConfig, Quota};
///
/// // No more than 100 calls of this task in an hour.
/// let quota = Quota::new("calls of report.make", 100, |call| u64::from(call.task() == "report.make"));
/// let config = HttpConfig { quotas: vec![quota], ..HttpConfig::default() };
/// ```
#[derive(Clone)]
pub struct Quota {
    what: &'static str,
    per_hour: u32,
    weigh: Arc<dyn Fn(&AnyCall) -> u64 + Send + Sync>,
}

impl Quota {
    /// At most `per_hour` of `what`, of which a call takes as many as `weigh` says.
    pub fn new(what: &'static str, per_hour: u32, weigh: impl Fn(&AnyCall) -> u64 + Send + Sync + 'static) -> Self {
        Self { what, per_hour, weigh: Arc::new(weigh) }
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quota({} {} an hour)", self.per_hour, self.what)
    }
}

/// The quotas of a server, and what has been used up of them.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Vec<Meter>);

#[derive(Debug)]
struct Meter {
    quota: Quota,
    used: Mutex<HashMap<Box<str>, Used>>,
}

/// What somebody has used up; it is forgotten evenly, all of it in an hour.
#[derive(Debug, Clone, Copy)]
struct Used {
    amount: f64,
    at: Instant,
}

impl Used {
    fn at(self, now: Instant, per_hour: f64) -> Self {
        let forgotten = now.saturating_duration_since(self.at).as_secs_f64() / HOUR.as_secs_f64() * per_hour;
        Self { amount: (self.amount - forgotten).max(0.0), at: now }
    }
}

impl Meter {
    /// Uses up so much for that caller.
    ///
    /// # Errors
    ///
    /// How long until there is as much; nothing is used up then.
    fn take(&self, who: &str, amount: u64, now: Instant) -> Result<(), Duration> {
        let most = f64::from(self.quota.per_hour);
        let mut used = self.used.lock();
        // Who has nothing used up is as one who never came.
        used.retain(|_, used| used.at(now, most).amount > 0.0);
        let mine = used.get(who).map_or(Used { amount: 0.0, at: now }, |used| used.at(now, most));
        #[allow(clippy::cast_precision_loss, reason = "nobody asks for so much")]
        let wanted = mine.amount + amount as f64;
        if wanted > most {
            let pause = HOUR.mul_f64(((wanted - most) / most.max(1.0)).min(24.0));
            return Err(pause);
        }
        used.insert(who.into(), Used { amount: wanted, at: now });
        Ok(())
    }

    fn give_back(&self, who: &str, amount: u64) {
        if let Some(used) = self.used.lock().get_mut(who) {
            #[allow(clippy::cast_precision_loss, reason = "nobody asks for so much")]
            let amount = amount as f64;
            used.amount = (used.amount - amount).max(0.0);
        }
    }
}

impl Quotas {
    pub(crate) fn new(quotas: Vec<Quota>) -> Self {
        Self(quotas.into_iter().map(|quota| Meter { quota, used: Mutex::default() }).collect())
    }

    /// Uses up what these calls take, until the charge is dropped without [`Charge::keep`].
    pub(crate) fn charge(&self, caller: &Caller, calls: &[AnyCall]) -> Result<Charge<'_>, Problem> {
        let who = match caller {
            Caller::Token(token) => token.id.as_str(),
            Caller::Local | Caller::Application | Caller::Anybody => "",
        };
        let mut charge = Charge { who: who.into(), taken: Vec::new() };
        for meter in &self.0 {
            let amount: u64 = calls.iter().map(|call| (meter.quota.weigh)(call)).sum();
            if amount == 0 {
                continue;
            }
            if let Err(pause) = meter.take(who, amount, Instant::now()) {
                let Quota { what, per_hour, .. } = &meter.quota;
                let pause = pause.as_secs() + 1;
                let detail = format!(
                    "{amount} {what} are too many now: {per_hour} are allowed in an hour; as many can be had in {pause} s"
                );
                return Err(
                    Problem::new(Kind::RateLimited, detail).header(header::RETRY_AFTER, HeaderValue::from(pause))
                );
            }
            charge.taken.push((meter, amount));
        }
        Ok(charge)
    }
}

/// What was used up for calls that are not kept yet.
pub(crate) struct Charge<'a> {
    who: Box<str>,
    taken: Vec<(&'a Meter, u64)>,
}

impl Charge<'_> {
    /// The calls are kept.
    pub(crate) fn keep(mut self) {
        self.taken.clear();
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        for (meter, amount) in &self.taken {
            meter.give_back(&self.who, *amount);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn meter(per_hour: u32) -> Meter {
        Meter { quota: Quota::new("things", per_hour, |_| 1), used: Mutex::default() }
    }

    #[test]
    fn so_much_may_be_used_up_and_it_comes_back_evenly() {
        let (meter, start) = (meter(100), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert_eq!(meter.take("a", 60, at(0)), Ok(()));
        assert_eq!(meter.take("a", 60, at(0)), Err(Duration::from_secs(12 * 60)));
        assert_eq!(meter.take("a", 40, at(0)), Ok(()));
        assert_eq!(meter.take("b", 100, at(0)), Ok(()), "another has its own");
        assert!(meter.take("a", 1, at(0)).is_err());
        assert_eq!(meter.take("a", 50, at(30)), Ok(()));
        assert!(meter.take("a", 101, at(300)).is_err(), "more than all at once is never to be had");
        assert_eq!(meter.take("a", 100, at(300)), Ok(()));
    }

    #[test]
    fn what_was_not_kept_is_given_back() {
        let (meter, now) = (meter(10), Instant::now());
        meter.take("a", 10, now).unwrap();
        meter.give_back("a", 10);
        assert_eq!(meter.take("a", 10, now), Ok(()));
    }
}
