//! Permits of queues: taken before the claim, given back one by one, and nobody who found none is forgotten.

use std::collections::BTreeMap;

use callboard_tasks::Ask;

use crate::Work;
use crate::queue::Permits;

fn queues(pairs: &[(&str, usize)]) -> Option<BTreeMap<String, usize>> {
    Some(pairs.iter().map(|(queue, room)| ((*queue).to_owned(), *room)).collect())
}

fn asked(permits: &Permits, limit: usize) -> Option<BTreeMap<String, usize>> {
    let (ask, asked) = permits.ask(limit)?;
    permits.claimed(asked, std::iter::empty());
    ask
}

#[test]
fn where_all_queues_are_worked_a_claim_asks_for_all() {
    let permits = Permits::new(Work::all());
    assert_eq!(asked(&permits, 9), None::<BTreeMap<_, _>>);
    assert!(permits.ask(9).is_some());
    assert_eq!(permits.take(["a", "b"].into_iter()), Some(Vec::new()));
    assert!(!permits.give_back("a"));
}

#[test]
fn a_claim_asks_for_what_is_free_of_each_queue() {
    let permits = Permits::new(Work::of([("a", 4), ("b", 2)]));
    assert_eq!(asked(&permits, 9), queues(&[("a", 4), ("b", 2)]));
    assert_eq!(asked(&permits, 3), queues(&[("a", 3), ("b", 2)]));
    permits.take(["a", "a", "b", "b"].into_iter()).unwrap();
    assert_eq!(asked(&permits, 9), queues(&[("a", 2)]));
    permits.take(["a", "a"].into_iter()).unwrap();
    assert_eq!(asked(&permits, 9), None);
    assert!(permits.ask(9).is_none(), "there is nothing to ask for");
}

#[test]
fn queues_without_a_number_are_asked_for_together() {
    let permits = Permits::new(Work::all().at_most("a", 1).except(["b"]));
    assert_eq!(asked(&permits, 9), queues(&[("a", 1), ("b", 0), (Ask::OTHERS, 9)]));
    permits.take(["a", "c", "c"].into_iter()).unwrap();
    assert_eq!(asked(&permits, 9), queues(&[("a", 0), ("b", 0), (Ask::OTHERS, 9)]));
}

#[test]
fn several_permits_are_taken_together_or_not_at_all() {
    let permits = Permits::new(Work::of([("a", 2), ("b", 1)]));
    assert_eq!(permits.take(["a", "b", "b"].into_iter()), None);
    assert_eq!((permits.taken("a"), permits.taken("b")), (0, 0));
    assert_eq!(permits.take(["c"].into_iter()), None, "it is not worked here");
}

#[test]
fn what_a_claim_did_not_need_comes_back() {
    let permits = Permits::new(Work::of([("a", 4)]));
    let (_, asked) = permits.ask(9).unwrap();
    assert_eq!(permits.taken("a"), 4);
    assert!(!permits.claimed(asked, ["a"].into_iter()), "there is no more to claim");
    assert_eq!(permits.taken("a"), 1);
}

#[test]
fn after_a_claim_that_used_all_permits_the_first_that_comes_back_has_somebody_look() {
    let permits = Permits::new(Work::of([("a", 2)]));
    let (_, asked) = permits.ask(9).unwrap();
    permits.claimed(asked, ["a", "a"].into_iter());
    assert!(permits.give_back("a"));
    assert!(!permits.give_back("a"), "one look is enough");
}

#[test]
fn who_finds_no_permit_during_a_claim_is_looked_for_after_it() {
    let permits = Permits::new(Work::of([("a", 2)]));
    let (_, asked) = permits.ask(9).unwrap();
    assert!(!permits.is_worth_a_look("a"), "all permits are out");
    assert!(permits.claimed(asked, std::iter::empty()));
    assert!(permits.is_worth_a_look("a"));
}

#[test]
fn a_queue_that_is_not_worked_is_never_worth_a_look() {
    let permits = Permits::new(Work::of([("a", 2)]));
    assert!(!permits.is_worth_a_look("b"));
    assert!(!permits.give_back("b"));
    assert!(permits.works("a") && !permits.works("b") && permits.works_any());
    assert!(!Permits::new(Work::none()).works_any());
}
