//! What a process does about its lease.

use std::time::{Duration, Instant};

use crate::queue::{Lease, Standing};

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
