//! What is known of where lines begin, while statements are under way that were told so and will tell it.

use callboard_tasks::{JobId, Json, RetryPolicy};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + second, 0)
}

/// One line that begins at this second.
fn line(second: i64) -> Lines {
    [("default".to_owned(), [(0, (at(second), Uuid::max()))].into())].into()
}

/// Heads that begin there.
fn heads(second: i64) -> Heads {
    let heads = Heads::default();
    heads.lend().begin_at(line(second));
    heads
}

fn begins(heads: &Heads) -> Option<Timestamp> {
    heads.columns().ats.first().copied()
}

fn came(heads: &Heads, second: i64) {
    let spec = JobSpec {
        id: JobId::new(at(second)),
        task: "world.play".into(),
        args: Json::from_stored("{}".into()),
        queue: "default".into(),
        priority: 0,
        enqueued_at: at(second),
        run_after: None,
        expires_at: None,
        timeout: None,
        retry: RetryPolicy::default(),
        tags: Vec::new(),
        metadata: None,
        traceparent: None,
        unique: None,
        limit_key: None,
    };
    heads.came([(&Arc::new(spec), at(second))].into_iter());
}

#[test]
fn a_line_begins_where_it_was_told_last() {
    let heads = heads(1);
    heads.lend().begin_at(line(5));
    assert_eq!(begins(&heads), Some(at(5)));
}

#[test]
fn a_job_that_comes_to_stand_before_a_head_moves_it() {
    let heads = heads(5);
    came(&heads, 9);
    assert_eq!(begins(&heads), Some(at(5)));
    came(&heads, 3);
    assert!(begins(&heads) < Some(at(3)));
}

#[test]
fn a_job_that_came_while_a_claim_was_under_way_stands_before_what_that_tells() {
    let heads = heads(1);
    let claim = heads.lend();
    came(&heads, 3);
    claim.begin_at(line(5));
    assert!(begins(&heads) < Some(at(3)));
}

#[test]
fn a_claim_that_is_under_way_does_not_bring_back_what_was_forgotten() {
    let heads = heads(1);
    let claim = heads.lend();
    heads.forget();
    claim.begin_at(line(5));
    assert_eq!(begins(&heads), None);
}

#[test]
fn a_claim_that_is_under_way_does_not_bring_back_what_a_look_found_needless() {
    let heads = heads(1);
    let (claim, look) = (heads.lend(), heads.lend());
    look.begin_at(Lines::new());
    claim.begin_at(line(5));
    assert_eq!(begins(&heads), None);
}

#[test]
fn a_claim_that_knew_of_none_does_not_undo_what_a_look_has_found() {
    let heads = Heads::default();
    let (claim, look) = (heads.lend(), heads.lend());
    look.begin_at(line(5));
    claim.begin_at(Lines::new());
    assert_eq!(begins(&heads), Some(at(5)));
}
