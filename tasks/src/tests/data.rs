use std::sync::Arc;

use super::support::FakeBoard;
use super::support::{add, job};
use crate::{Data, DataKey, DataMap, FromTask, TaskContext};

#[derive(Debug, PartialEq)]
struct Mailer(&'static str);

fn context(data: DataMap, board: FakeBoard) -> TaskContext {
    TaskContext::new(job(add::with(1, 2)).spec, 1, 1, None, Arc::default(), Arc::new(data), Arc::new(board))
}

#[test]
fn a_value_is_found_by_its_type() {
    let mut data = DataMap::default();
    data.insert(Arc::new(Mailer("smtp")));
    assert_eq!(data.get::<Mailer>().as_deref(), Some(&Mailer("smtp")));
    assert_eq!(data.get::<String>(), None);
    assert!(data.contains(DataKey::of::<Mailer>()) && !data.contains(DataKey::of::<String>()));
}

#[test]
fn a_later_value_replaces_an_earlier_one_of_its_type() {
    let mut data = DataMap::default();
    data.insert(Arc::new(Mailer("smtp")));
    data.insert(Arc::new(Mailer("file")));
    assert_eq!(data.get::<Mailer>().as_deref(), Some(&Mailer("file")));
}

#[test]
fn a_task_gets_the_very_value_that_the_board_was_given() {
    let mailer = Arc::new(Mailer("smtp"));
    let mut data = DataMap::default();
    data.insert(Arc::clone(&mailer));
    let given = Data::<Mailer>::from_task(&context(data, FakeBoard::default())).unwrap();
    assert!(Arc::ptr_eq(&given.clone().into_inner(), &mailer));
    assert_eq!((given.0, Data::<Mailer>::requires()), ("smtp", Some(DataKey::of::<Mailer>())));
}

#[test]
fn what_the_board_itself_supplies_comes_after_the_application_s() {
    let provides = || FakeBoard { provides: Some(Arc::new(Mailer("board"))), ..FakeBoard::default() };
    assert_eq!(context(DataMap::default(), provides()).data::<Mailer>().as_deref(), Some(&Mailer("board")));
    assert_eq!(context(DataMap::default(), provides()).data::<String>(), None);
    let mut data = DataMap::default();
    data.insert(Arc::new(Mailer("application")));
    assert_eq!(context(data, provides()).data::<Mailer>().as_deref(), Some(&Mailer("application")));
}

#[test]
fn missing_data_names_its_type_and_the_fix() {
    let missing = Data::<Mailer>::from_task(&context(DataMap::default(), FakeBoard::default())).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "no application data of type callboard_tasks::tests::data::Mailer; give it to the board with `.data(..)`"
    );
}
