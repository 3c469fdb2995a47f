//! What follows from a failure (M5): tables of pure functions.

use std::time::{Duration, Instant};

use super::*;
use crate::mail::smtp::verdict::{Breaker, Next, next};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn refused(step: Step, code: u16, text: &str) -> SendError {
    let class = if code < 500 { FailureClass::Temporary } else { FailureClass::Permanent };
    SendError { class, step, detail: "refused".into(), reply: Some(Reply { code, text: text.into() }) }
}

fn failed(class: FailureClass, step: Step) -> SendError {
    SendError { class, step, detail: "failed".into(), reply: None }
}

#[test]
fn m5_each_row_of_the_error_map() {
    let first = |error: SendError| next(&error, 1, true);
    let later = [(421, ""), (450, "4.2.0 x"), (451, "4.3.0 x"), (452, "4.2.2 full"), (454, "4.3.5 x")];
    for (code, text) in later {
        assert_eq!(first(refused(Step::End, code, text)), Next::RetryIn(MINUTE), "{code} {text}");
    }
    assert_eq!(first(refused(Step::Recipients, 451, "4.7.1 greylisted")), Next::RetryIn(5 * MINUTE));
    assert_eq!(first(refused(Step::Recipients, 552, "5.2.2 mailbox full")), Next::RetryIn(6 * HOUR));
    assert_eq!(next(&refused(Step::Recipients, 552, "5.2.2 mailbox full"), 2, true), Next::Abort);
    for (code, text) in [(550, "5.1.1 no such user"), (551, ""), (553, "5.1.3 bad"), (554, "5.7.1 spam"), (500, "what")]
    {
        assert_eq!(first(refused(Step::End, code, text)), Next::Abort, "{code} {text}");
    }
    assert_eq!(first(failed(FailureClass::Unreachable, Step::Connect)), Next::Retry);
    assert_eq!(first(failed(FailureClass::Setup, Step::Login)), Next::Retry, "the mail is not to blame");
    assert_eq!(first(failed(FailureClass::Unfit, Step::Sender)), Next::Abort);
    assert_eq!(first(failed(FailureClass::Held(MINUTE), Step::Waiting)), Next::Snooze(MINUTE), "no attempt is spent");
    assert_eq!(next(&failed(FailureClass::Ambiguous, Step::End), 1, true), Next::Retry);
    assert_eq!(next(&failed(FailureClass::Ambiguous, Step::End), 1, false), Next::Abort);
}

#[test]
fn who_says_later_again_is_asked_ever_later_six_hours_at_most() {
    let pauses: Vec<_> = [1, 2, 3, 9, 10, 18].map(|nth| next(&refused(Step::End, 450, ""), nth, true)).into();
    let expected = [1, 2, 4, 256, 360, 360].map(|minutes| Next::RetryIn(minutes * MINUTE));
    assert_eq!(pauses, expected);
}

#[test]
fn a_wrong_password_stops_the_mailer_at_once_and_each_new_try_makes_the_pause_longer() {
    let start = Instant::now();
    let mut breaker = Breaker::default();
    let setup = failed(FailureClass::Setup, Step::Login);
    breaker.note(Err(&setup), start);
    assert_eq!(breaker.held(start).unwrap().0, MINUTE);
    breaker.note(Err(&setup), start);
    assert_eq!(breaker.held(start).unwrap().0, MINUTE, "mails under way together fail together");
    let later = start + MINUTE;
    assert!(breaker.held(later).is_none() && breaker.is_probing(), "one at a time is tried");
    breaker.note(Err(&setup), later);
    assert_eq!(breaker.held(later).unwrap().0, 2 * MINUTE);
    breaker.note(Ok(()), later);
    assert!(breaker.held(later).is_none() && !breaker.is_probing());
}

#[test]
fn a_server_that_is_away_five_times_in_a_row_is_left_alone_for_a_while() {
    let start = Instant::now();
    let mut breaker = Breaker::default();
    let away = failed(FailureClass::Unreachable, Step::Connect);
    for _ in 0..4 {
        breaker.note(Err(&away), start);
    }
    assert!(breaker.held(start).is_none());
    breaker.note(Err(&refused(Step::End, 450, "")), start);
    for _ in 0..4 {
        breaker.note(Err(&away), start);
        assert!(breaker.held(start).is_none(), "it was there in between");
    }
    breaker.note(Err(&away), start);
    assert_eq!(breaker.held(start).unwrap().0, Duration::from_secs(10));
    let after = start + Duration::from_secs(10);
    breaker.note(Err(&away), after);
    assert_eq!(breaker.held(after).unwrap().0, Duration::from_secs(20), "one try is enough to know");
}

#[test]
fn refusals_that_are_about_the_sender_stop_the_mailer_after_five_in_a_row() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..20 {
        breaker.note(Err(&refused(Step::Recipients, 550, "5.1.1 no such user")), now);
    }
    assert!(breaker.held(now).is_none(), "wrong recipients are not the mailer's fault");
    for _ in 0..4 {
        breaker.note(Err(&refused(Step::End, 554, "5.7.1 you are listed")), now);
    }
    assert!(breaker.held(now).is_none());
    breaker.note(Err(&refused(Step::End, 554, "5.7.1 you are listed")), now);
    let (pause, why) = breaker.held(now).unwrap();
    assert_eq!(pause, 5 * MINUTE);
    assert!(why.contains("5.7.1 you are listed"), "{why}");
}
