//! What follows from a failure: for the job that sends the mail, and for the mailer. Pure functions.

use std::time::{Duration, Instant};

use super::error::{FailureClass, SendError};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The pause after the server said "later" the n-th time: a minute, doubled each time, six hours at most.
const LATER: (Duration, Duration) = (MINUTE, Duration::from_secs(6 * 60 * 60));

/// The shortest pause for greylisting, which wants some minutes to pass.
const GREYLISTED: Duration = Duration::from_secs(5 * 60);

/// What a job does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mail) enum Next {
    /// Is tried again when its own backoff says: nothing is known about when it would be better.
    Retry,
    /// Is tried again after this pause.
    RetryIn(Duration),
    /// Fails for good.
    Abort,
    /// Runs again after this pause, which is no attempt.
    Snooze(Duration),
}

/// What the job of a mail does after its n-th attempt failed so (`attempt` counts from 1).
pub(in crate::mail) fn next(error: &SendError, attempt: u32, retry_ambiguous: bool) -> Next {
    let enhanced = error.reply.as_ref().and_then(|reply| reply.enhanced());
    match error.class {
        FailureClass::Held(pause) => Next::Snooze(pause),
        FailureClass::Unreachable | FailureClass::Setup => Next::Retry,
        FailureClass::Ambiguous if retry_ambiguous => Next::Retry,
        FailureClass::Ambiguous | FailureClass::Unfit => Next::Abort,
        FailureClass::Temporary => {
            let pause = doubled(LATER, attempt);
            Next::RetryIn(if matches!(enhanced, Some((4, 7, _))) { pause.max(GREYLISTED) } else { pause })
        }
        // A full mailbox, or a network in trouble, whatever the server calls it: once more, later.
        FailureClass::Permanent if matches!(enhanced, Some((5, 2, 2) | (5, 4, _))) && attempt == 1 => {
            Next::RetryIn(6 * HOUR)
        }
        FailureClass::Permanent => Next::Abort,
    }
}

fn doubled((first, most): (Duration, Duration), nth: u32) -> Duration {
    let factor = 2_u32.saturating_pow(nth.saturating_sub(1).min(20));
    first.saturating_mul(factor).min(most)
}

/// When a mailer stops trying: it holds mail back for a while after failures that are not about single mails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::mail) struct Breaker {
    unreachable: u32,
    rejected: u32,
    /// How often it has opened since mail last went out.
    opened: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    until: Instant,
    why: String,
}

/// How many failures of a kind in a row it takes.
const IN_A_ROW: u32 = 5;

impl Breaker {
    /// Takes note of how a mail went.
    pub(in crate::mail) fn note(&mut self, outcome: Result<(), &SendError>, now: Instant) {
        let Err(error) = outcome else {
            *self = Self::default();
            return;
        };
        match error.class {
            FailureClass::Setup => self.open((MINUTE, HOUR), error, now),
            FailureClass::Unreachable => {
                self.unreachable += 1;
                if self.unreachable >= IN_A_ROW || self.opened > 0 {
                    self.open((Duration::from_secs(10), 5 * MINUTE), error, now);
                }
            }
            FailureClass::Permanent if is_about_us(error) => {
                self.rejected += 1;
                if self.rejected >= IN_A_ROW {
                    self.open((5 * MINUTE, HOUR), error, now);
                }
            }
            // A server that talks about one mail is there, and lets us in.
            FailureClass::Permanent | FailureClass::Temporary | FailureClass::Unfit | FailureClass::Ambiguous => {
                self.unreachable = 0;
            }
            FailureClass::Held(_) => {}
        }
    }

    fn open(&mut self, pauses: (Duration, Duration), error: &SendError, now: Instant) {
        if self.open.as_ref().is_some_and(|open| open.until > now) {
            // Mails that were under way together fail together; that is one failure.
            return;
        }
        self.opened += 1;
        self.open = Some(Open { until: now + doubled(pauses, self.opened), why: error.to_string() });
    }

    /// Closes it, whatever happened.
    pub(in crate::mail) fn close(&mut self) {
        *self = Self::default();
    }

    /// How much longer mail is held back, and why; `None` if it is not.
    pub(in crate::mail) fn held(&self, now: Instant) -> Option<(Duration, &str)> {
        let open = self.open.as_ref().filter(|open| open.until > now)?;
        Some((open.until - now, &open.why))
    }

    /// Whether mail is sent only to try whether it can be: one at a time.
    pub(in crate::mail) const fn is_probing(&self) -> bool {
        self.opened > 0
    }
}

/// Whether a refusal is about whoever sends and not about this mail: policy (5.7.x), protocol (5.5.x), "554" and "530".
fn is_about_us(error: &SendError) -> bool {
    error.reply.as_ref().is_some_and(|reply| match reply.enhanced() {
        Some((_, subject, _)) => matches!(subject, 5 | 7),
        None => matches!(reply.code, 530 | 554),
    })
}
