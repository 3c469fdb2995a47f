//! What is told of the order of ends.

use crate::{EndLog, Followed, JobId};

fn told(after: Option<u64>, log: [u64; 3], ends: &[u64]) -> (Vec<u64>, u64, Option<u64>) {
    let id = |number: u64| JobId::from_uuid(uuid::Uuid::from_u128(number.into()));
    let [since, dropped, last] = log;
    let told = Followed::after(after, &EndLog { since, dropped, last }, ends.iter().map(|n| (*n, id(*n))));
    let numbers = told.ids.iter().map(|id| u64::try_from(id.as_uuid().as_u128()).expect("a small number"));
    (numbers.collect(), told.mark, told.missed)
}

#[test]
fn who_begins_is_told_where_now_is() {
    assert_eq!(told(None, [7, 7, 7], &[]), (vec![], 7, None));
    assert_eq!(told(None, [0, 0, 9], &[8, 9]), (vec![], 9, None));
}

#[test]
fn who_goes_on_is_told_what_came_since() {
    assert_eq!(told(Some(7), [7, 7, 9], &[8, 9]), (vec![8, 9], 9, None));
    assert_eq!(told(Some(8), [7, 7, 9], &[8, 9]), (vec![9], 9, None));
    assert_eq!(told(Some(9), [7, 7, 9], &[]), (vec![], 9, None));
}

#[test]
fn what_was_thrown_away_is_counted() {
    assert_eq!(told(Some(3), [0, 10, 12], &[11, 12]), (vec![11, 12], 12, Some(7)));
    assert_eq!(told(Some(3), [0, 10, 12], &[]), (vec![], 10, Some(7)));
    assert_eq!(told(Some(3), [0, 10, 13], &[12, 13]), (vec![12, 13], 13, Some(8)));
}

#[test]
fn a_gap_ends_what_is_told_at_once_and_is_counted_next() {
    assert_eq!(told(Some(3), [0, 0, 8], &[4, 5, 8]), (vec![4, 5], 5, None));
    assert_eq!(told(Some(5), [0, 0, 8], &[8]), (vec![8], 8, Some(2)));
}

#[test]
fn after_a_break_nobody_knows_how_many_there_were() {
    assert_eq!(told(Some(3), [6, 6, 7], &[7]), (vec![7], 7, Some(0)));
    assert_eq!(told(Some(3), [6, 6, 8], &[8]), (vec![8], 8, Some(0)));
}

#[test]
fn a_mark_of_another_store_begins_anew() {
    assert_eq!(told(Some(30), [0, 0, 2], &[]), (vec![], 2, Some(0)));
}
