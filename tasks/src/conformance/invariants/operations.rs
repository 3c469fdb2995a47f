//! The operations that sequences are made of.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, prop_oneof};

/// One operation. Whom it concerns is a number, taken modulo those that there are.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Enqueue { queue: usize, priority: i8, delay: Option<u64>, expires: Option<u64>, other: bool, to: Option<usize> },
    Claim { worker: usize, limit: usize },
    Finish { claim: usize, ending: How },
    Progress { claim: usize, done: u64 },
    Overrun { claim: usize },
    Cancel(usize),
    Retry(usize),
    RunNow(usize),
    Delete(usize),
    Reschedule { job: usize, priority: Option<i8>, delay: Option<Option<u64>>, queue: Option<usize> },
    Register { all: bool },
    Beat(usize),
    Rescue(usize),
    Leave(usize),
    Pause(usize),
    Resume(usize),
    Park,
    Prune,
    Wait(u64),
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Succeed,
    Fail,
    Retry(u64),
    Snooze(u64),
    Cancel,
    HandBack,
}

/// Sequences of operations.
pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..50)
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let seconds = || 0..6_u64;
    let enqueue = (
        0..3_usize,
        -1..2_i8,
        option::weighted(0.3, seconds()),
        option::weighted(0.2, seconds()),
        0..4_u8,
        option::weighted(0.2, 0..9_usize),
    );
    let how = prop_oneof![
        3 => Just(How::Succeed),
        1 => Just(How::Fail),
        2 => seconds().prop_map(How::Retry),
        1 => seconds().prop_map(How::Snooze),
        1 => Just(How::Cancel),
        1 => Just(How::HandBack),
    ];
    let reschedule = (0..99_usize, option::of(-1..2_i8), option::of(option::of(seconds())), option::of(0..3_usize));
    let who = || 0..99_usize;
    prop_oneof![
        20 => enqueue.prop_map(|(queue, priority, delay, expires, task, to)| {
            O::Enqueue { queue, priority, delay, expires, other: task == 0, to }
        }),
        20 => (who(), 0..6_usize).prop_map(|(worker, limit)| O::Claim { worker, limit }),
        20 => (who(), how).prop_map(|(claim, ending)| O::Finish { claim, ending }),
        3 => (who(), 0..9_u64).prop_map(|(claim, done)| O::Progress { claim, done }),
        3 => who().prop_map(|claim| O::Overrun { claim }),
        4 => who().prop_map(O::Cancel),
        4 => who().prop_map(O::Retry),
        2 => who().prop_map(O::RunNow),
        2 => who().prop_map(O::Delete),
        4 => reschedule.prop_map(|(job, priority, delay, queue)| O::Reschedule { job, priority, delay, queue }),
        6 => (0..3_u8).prop_map(|n| O::Register { all: n > 0 }),
        4 => who().prop_map(O::Beat),
        6 => who().prop_map(O::Rescue),
        2 => who().prop_map(O::Leave),
        1 => (0..3_usize).prop_map(O::Pause),
        1 => (0..3_usize).prop_map(O::Resume),
        2 => Just(O::Park),
        2 => Just(O::Prune),
        12 => seconds().prop_map(O::Wait),
        1 => Just(O::Wait(8 * 24 * 3600)),
        1 => Just(O::Wait(31 * 24 * 3600)),
    ]
}
