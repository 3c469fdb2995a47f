//! So many mails in a time: GCRA, which keeps one time and no list. A pure rule of the time.

use std::time::{Duration, Instant};

use super::options::Rate;

/// How far the mails sent so far reach into the future.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The time that one mail takes up.
    each: Duration,
    /// What may be taken up at once.
    burst: Duration,
    /// Until when all is taken up.
    taken: Option<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { each: rate.per / rate.mails.max(1), burst: rate.per, taken: None }
    }

    /// Takes up the place of one mail, or says how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let next = self.taken.filter(|taken| *taken > now).unwrap_or(now) + self.each;
        match next.checked_duration_since(now + self.burst).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => {
                self.taken = Some(next);
                Ok(())
            }
        }
    }

    /// The time that one mail takes up.
    pub(super) const fn each(&self) -> Duration {
        self.each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_go_at_once_and_then_one_after_the_other() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(Rate { mails: 4, per: Duration::from_secs(1) });
        for _ in 0..4 {
            assert_eq!(pace.take(at(0)), Ok(()));
        }
        assert_eq!(pace.take(at(0)), Err(Duration::from_millis(250)));
        assert_eq!(pace.take(at(249)), Err(Duration::from_millis(1)));
        assert_eq!(pace.take(at(250)), Ok(()));
        assert_eq!(pace.take(at(250)), Err(Duration::from_millis(250)));
        for _ in 0..4 {
            assert_eq!(pace.take(at(5_000)), Ok(()), "after a rest all of them again");
        }
        assert!(pace.take(at(5_000)).is_err());
    }
}
