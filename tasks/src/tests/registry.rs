use std::sync::LazyLock;

use super::support::{add, ping, send};
use crate::{Data, DataKey, DataMap, Error, Registry, RegistryError, Task, TaskDefinition, near_names, task, tasks};

mod mail {
    use crate::task;

    #[task(name = "mail.notify")]
    pub(super) fn notify(to: String) {
        drop(to);
    }
}

mod sms {
    use crate::task;

    #[task(name = "sms.notify", aliases = ["sms.text", "old.notify"])]
    pub(super) fn notify(to: String) {
        drop(to);
    }
}

/// Another task that claims a name which is taken.
#[task(name = "mail.notify")]
fn usurper() {}

#[task(aliases = ["mail.notify"])]
fn heir() {}

#[task]
fn needs_much(_one: Data<String>, _two: Data<Vec<u8>>, _again: Data<String>) {}

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::of(tasks![add, ping, send, mail::notify, sms::notify]).unwrap());

fn near(error: &Error) -> &[String] {
    match error {
        Error::UnknownTask { near, .. } => near,
        other => panic!("{other}"),
    }
}

// Django 30
#[test]
fn a_task_is_found_by_its_stored_name() {
    assert_eq!(add::NAME, "callboard_tasks.add");
    assert_eq!(add::definition().function(), "add");
    assert!(std::ptr::eq(REGISTRY.get(add::NAME).unwrap(), add::definition()));
    assert!(std::ptr::eq(REGISTRY.find(add::NAME).unwrap(), add::definition()));
}

// Django 33
#[test]
fn a_name_that_is_no_task_s_is_refused_with_names_like_it() {
    let unknown = REGISTRY.find("callboard_tasks.ad").unwrap_err();
    assert_eq!(near(&unknown), ["callboard_tasks.add"]);
    assert_eq!(unknown.to_string(), r#"there is no task "callboard_tasks.ad"; did you mean "callboard_tasks.add"?"#);
    assert!(REGISTRY.get("callboard_tasks.ad").is_none());
}

#[test]
fn a_bare_function_name_is_enough_while_it_is_unambiguous() {
    assert_eq!(REGISTRY.find("send").unwrap(), send::definition());
    let ambiguous = REGISTRY.find("notify").unwrap_err();
    assert_eq!(near(&ambiguous), ["mail.notify", "sms.notify"]);
    assert_eq!(ambiguous.to_string(), r#"there is no task "notify"; did you mean one of mail.notify, sms.notify?"#);
}

#[test]
fn an_alias_finds_the_task_and_leads_to_its_present_name() {
    assert_eq!(REGISTRY.find("old.notify").unwrap(), sms::notify::definition());
    let call = REGISTRY.call("sms.text", r#"{"to": "ann"}"#).unwrap();
    assert_eq!(call.task(), "sms.notify");
}

#[test]
fn two_tasks_of_one_name_are_refused_with_both_places() {
    let twice = Registry::of(tasks![mail::notify, usurper]).unwrap_err();
    let at = |task: &TaskDefinition| task.source.to_string();
    assert_eq!(
        twice.to_string(),
        format!(
            "two tasks are named \"mail.notify\": one at {}, one at {}; rename one with #[task(name = \"..\")]",
            at(mail::notify::definition()),
            at(usurper::definition())
        )
    );
    assert!(at(usurper::definition()).starts_with("tasks/src/tests/registry.rs:"), "{}", at(usurper::definition()));
}

#[test]
fn an_alias_is_a_name_too() {
    for tasks in [tasks![mail::notify, heir], tasks![heir, mail::notify]] {
        assert!(matches!(Registry::of(tasks), Err(RegistryError::Duplicate { name: "mail.notify", .. })));
    }
}

#[test]
fn the_same_task_may_be_given_twice() {
    let registry = Registry::of(tasks![add, add, ping]).unwrap();
    assert_eq!((registry.len(), registry.is_empty()), (2, false));
    assert!(Registry::default().is_empty());
}

#[test]
fn tasks_are_listed_by_name() {
    let names: Vec<&str> = REGISTRY.iter().map(|task| task.name).collect();
    assert_eq!(
        names,
        ["callboard_tasks.add", "callboard_tasks.ping", "callboard_tasks.send", "mail.notify", "sms.notify"]
    );
}

/// This crate's own tests have tasks that clash on purpose, so what is linked here cannot be a registry.
#[test]
fn what_is_linked_into_the_program_is_found_without_a_list() {
    let linked = Registry::linked().unwrap_err();
    assert!(matches!(linked, RegistryError::Duplicate { name: "mail.notify", .. }), "{linked}");
}

// Django 34, 67
#[test]
fn arguments_that_do_not_fit_are_refused_when_the_call_is_made() {
    let problems = |args: &str| match REGISTRY.call("add", args) {
        Err(Error::InvalidTask(wrong)) => {
            wrong.to_string().replace("task \"callboard_tasks.add\" cannot be enqueued: ", "")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(problems("[1]"), "args.b is missing; its type is i64");
    assert_eq!(problems("{}"), "args.a is missing; its type is i64; args.b is missing; its type is i64");
    assert_eq!(problems("[1, 2, 3]"), "args has 3 values; the parameters of callboard_tasks.add are a: i64, b: i64");
    assert_eq!(
        problems(r#"{"a": 1, "b": 2, "context": 3}"#),
        "args.context is not a parameter; the parameters of callboard_tasks.add are a: i64, b: i64"
    );
    assert!(problems(r#"{"a": 1, "b": "two"}"#).starts_with("args.b invalid type: string \"two\", expected i64"));
    assert!(problems("7").ends_with("expected an object by parameter name or an array by position"));
}

#[test]
fn a_call_by_name_is_the_call_that_rust_code_makes() {
    for args in ["[1, 2]", r#"{"b": 2, "a": 1}"#] {
        assert_eq!(REGISTRY.call("add", args).unwrap(), add::with(1, 2).erase());
    }
}

#[test]
fn missing_application_data_is_listed_all_at_once() {
    let registry = Registry::of(tasks![add, needs_much]).unwrap();
    assert_eq!(registry.check_data(|_| true), Ok(()));
    let missing = registry.check_data(|_| false).unwrap_err().to_string();
    assert_eq!(
        missing,
        "application data is missing, give it to the board with `.data(..)`: alloc::string::String for \
         callboard_tasks.needs_much, alloc::vec::Vec<u8> for callboard_tasks.needs_much"
    );
    let has_text = |key| key == DataKey::of::<String>();
    let RegistryError::MissingData(missing) = registry.check_data(has_text).unwrap_err() else { panic!() };
    assert_eq!(missing, [(needs_much::definition(), DataKey::of::<Vec<u8>>())]);
}

#[test]
fn data_serves_a_task_if_it_has_all_that_it_needs() {
    let mut data = DataMap::default();
    data.insert(std::sync::Arc::new(String::new()));
    assert!(data.serves(add::definition()) && !data.serves(needs_much::definition()));
    data.insert(std::sync::Arc::new(Vec::<u8>::new()));
    assert!(data.serves(needs_much::definition()));
}

#[test]
fn required_tasks_that_are_not_linked_are_named_with_the_reason() {
    let required = |names: &[&str]| REGISTRY.check_required(&names.iter().map(|&name| name.into()).collect::<Vec<_>>());
    assert_eq!(required(&["callboard_tasks.add", "old.notify"]), Ok(()));
    let missing = required(&["reports.monthly", "callboard_tasks.add", "reports.daily"]).unwrap_err().to_string();
    assert!(missing.contains(" registered: reports.monthly, reports.daily; "), "{missing}");
    assert!(missing.contains("`use my_tasks as _;`"), "{missing}");
}

#[test]
fn near_names_are_few_like_and_best_first() {
    let known = ["mail.send_welcome", "mail.send_report", "mail.send", "sms.send", "reports.monthly"];
    let near = |name| near_names(name, known.into_iter());
    assert_eq!(near("mail.sned")[0], "mail.send");
    assert_eq!(near("monthly_"), ["reports.monthly"]);
    assert_eq!(near("send").len(), 3);
    assert_eq!(near("send")[..2], ["sms.send", "mail.send"]);
    assert!(near("backup").is_empty() && near("").is_empty());
    assert_eq!(near("mail:send")[0], "mail.send");
    assert_eq!(near("mial.send")[..2], ["mail.send", "sms.send"]);
    assert!(near("mail.archive").is_empty(), "the same crate is no likeness");
}
