//! What a process does about leases: its own and those of others.

use std::time::{Duration, Instant};

use callboard_tasks::{Timestamp, WorkerId};

use crate::queue::{Lease, Look, Looks, Seen, Standing};

const LENGTH: Duration = Duration::from_secs(3);

fn after(length: Duration, silent: Duration) -> Standing {
    let start = Instant::now();
    Lease::new(length, start).standing(start + silent)
}

#[test]
fn a_lease_is_held_while_the_store_has_answered_within_its_length() {
    for (millis, expected) in [
        (0, Standing::Held),
        (2_999, Standing::Held),
        (3_000, Standing::Doubtful),
        (29_999, Standing::Doubtful),
        (30_000, Standing::Unreachable),
        (3_600_000, Standing::Unreachable),
    ] {
        assert_eq!(after(LENGTH, Duration::from_millis(millis)), expected, "{millis} ms");
    }
}

#[test]
fn a_lease_longer_than_the_patience_is_never_doubtful() {
    let long = Duration::from_secs(60);
    assert_eq!(after(long, Duration::from_secs(59)), Standing::Held);
    assert_eq!(after(long, Duration::from_secs(60)), Standing::Unreachable);
}

#[test]
fn a_renewal_starts_it_anew() {
    let start = Instant::now();
    let mut lease = Lease::new(LENGTH, start);
    let later = start + Duration::from_secs(100);
    assert_eq!(lease.standing(later), Standing::Unreachable);
    lease.renewed(later);
    assert_eq!(lease.standing(later + Duration::from_secs(2)), Standing::Held);
    assert_eq!(lease.standing(start), Standing::Held, "a time before the renewal is no silence");
}

#[test]
fn three_beats_go_into_a_lease() {
    let lease = Lease::new(LENGTH, Instant::now());
    assert_eq!((lease.beat_every(), lease.length()), (Duration::from_secs(1), LENGTH));
}

const BEAT: Duration = Duration::from_secs(1);

/// One process that looks at the leases of others, with both clocks at zero when it starts.
struct Watcher {
    looks: Looks,
    start: Instant,
    epoch: Timestamp,
}

impl Watcher {
    fn new() -> Self {
        Self { looks: Looks::default(), start: Instant::now(), epoch: Timestamp::UNIX_EPOCH }
    }

    /// Looks at `millis` and is answered `took` later; `ends` are the ends of the leases in milliseconds.
    fn look(&mut self, millis: u64, took: u64, ends: &[(WorkerId, i64)]) -> Seen {
        let at = |millis: i64| self.epoch + jiff::SignedDuration::from_millis(millis);
        let peers: Vec<_> = ends.iter().map(|(worker, end)| (*worker, at(*end))).collect();
        let asked = self.start + Duration::from_millis(millis);
        let answered = asked + Duration::from_millis(took);
        let now = at(i64::try_from(millis + took).unwrap());
        self.looks.take(Look { asked, answered, now, peers: &peers }, BEAT)
    }
}

fn worker() -> WorkerId {
    WorkerId::new(Timestamp::now())
}

#[test]
fn a_lease_that_holds_is_left_alone() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    for second in 0..5_u32 {
        let end = i64::from(second) * 1_000 + 2_500;
        assert_eq!(watcher.look(u64::from(second) * 1_000, 1, &[(peer, end)]), Seen::default());
    }
}

#[test]
fn an_ended_lease_is_taken_at_the_second_look_a_beat_later() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    assert_eq!(watcher.look(3_000, 1, &[(peer, 3_000)]).lost, []);
    assert_eq!(watcher.look(3_999, 1, &[(peer, 3_000)]).lost, [], "less than a beat apart");
    assert_eq!(watcher.look(4_000, 1, &[(peer, 3_000)]).lost, [peer]);
}

#[test]
fn whoever_renews_between_two_looks_keeps_its_lease() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    watcher.look(3_500, 1, &[(peer, 3_000)]);
    assert_eq!(watcher.look(4_500, 1, &[(peer, 6_600)]).lost, []);
    assert_eq!(watcher.look(6_700, 1, &[(peer, 6_600)]).lost, [], "the first look at the new end");
    assert_eq!(watcher.look(7_700, 1, &[(peer, 6_600)]).lost, [peer]);
}

#[test]
fn a_lease_that_ended_at_another_time_is_seen_for_the_first_time() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    watcher.look(3_500, 1, &[(peer, 3_000)]);
    assert_eq!(watcher.look(4_500, 1, &[(peer, 3_400)]).lost, []);
}

#[test]
fn a_look_that_was_answered_late_counts_for_nothing_and_undoes_those_before() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    watcher.look(3_000, 1, &[(peer, 3_000)]);
    assert_eq!(watcher.look(4_000, 501, &[(peer, 3_000)]), Seen::default(), "the store stood still");
    assert_eq!(watcher.look(5_000, 1, &[(peer, 3_000)]).lost, [], "a first look again");
    assert_eq!(watcher.look(6_000, 1, &[(peer, 3_000)]).lost, [peer]);
}

#[test]
fn a_lease_that_is_about_to_end_is_looked_at_right_then() {
    let (mut watcher, peer) = (Watcher::new(), worker());
    let milliseconds = |seen: Seen| seen.again.map(|pause| pause.as_millis());
    assert_eq!(milliseconds(watcher.look(2_000, 1, &[(peer, 4_500)])), None, "the next beats come first");
    assert_eq!(milliseconds(watcher.look(2_900, 1, &[(peer, 3_201)])), Some(302));
    watcher.look(3_203, 1, &[(peer, 3_201)]);
    assert_eq!(milliseconds(watcher.look(3_900, 1, &[(peer, 3_201)])), Some(305), "a beat after the first look");
    assert_eq!(watcher.look(4_205, 1, &[(peer, 3_201)]).lost, [peer]);
}

/// Whenever in its beat a process is killed, and however the beats of its only peer fall: its lease is taken within
/// the lease, one beat, and a little for the timers.
#[test]
fn a_killed_process_is_missed_after_its_lease_and_a_beat() {
    for phase in 0..1_000 {
        let (mut watcher, peer) = (Watcher::new(), worker());
        let (mut at, mut next_beat) = (phase, phase);
        let taken = loop {
            let seen = watcher.look(at, 1, &[(peer, 3_000)]);
            if !seen.lost.is_empty() {
                break at;
            }
            if at == next_beat {
                next_beat += 1_000;
            }
            let again = seen.again.map(|pause| at + 1 + u64::try_from(pause.as_millis()).unwrap());
            at = again.map_or(next_beat, |again| again.min(next_beat));
        };
        assert!((3_999..=4_020).contains(&taken), "phase {phase}: taken at {taken} ms");
    }
}

/// A process that is stopped for 2.5 s right before a beat comes back in time.
#[test]
fn a_process_that_stood_still_for_less_than_a_lease_and_a_beat_keeps_its_lease() {
    for phase in 0..1_000 {
        let (mut watcher, peer) = (Watcher::new(), worker());
        let (mut at, mut next_beat) = (phase, phase);
        // Its last beat was at 0, it should have beaten at 1 s, and does at 3.5 s.
        while at < 3_500 {
            let seen = watcher.look(at, 1, &[(peer, 3_000)]);
            assert_eq!(seen.lost, [], "phase {phase} at {at}");
            if at == next_beat {
                next_beat += 1_000;
            }
            let again = seen.again.map(|pause| at + 1 + u64::try_from(pause.as_millis()).unwrap());
            at = again.map_or(next_beat, |again| again.min(next_beat));
        }
        assert_eq!(watcher.look(at, 1, &[(peer, 6_500)]).lost, []);
    }
}
