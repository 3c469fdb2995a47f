//! Unique keys and limit keys of calls, as they become those of jobs.

use std::time::Duration;

use jiff::Timestamp;

use crate::{BackendInfo, Call, Idempotency, Json, Phase, QueueNames, Supports, Unique, resolve, task, validate};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

#[task(register = false, unique = true, limit_key = "tenant")]
async fn bill(tenant: Option<String>, month: u8) {
    let _ = (tenant, month);
}

#[task(register = false, limit_key = "id")]
async fn sync(id: u64) {
    let _ = id;
}

fn backend() -> BackendInfo {
    BackendInfo { alias: "default".into(), queues: QueueNames::Any, supports: Supports::ALL }
}

fn spec(call: Call<bill>) -> crate::JobSpec {
    resolve(call.erase(), NOW).expect("the call is good")
}

fn problem(call: Call<bill>) -> String {
    validate(&call.erase(), &backend(), NOW).expect_err("the call is bad").to_string()
}

#[test]
fn a_unique_task_is_unique_by_its_arguments() {
    let key = |tenant: &str, month| spec(bill::with(Some(tenant.to_owned()), month)).unique.expect("a key").key;
    assert_eq!(key("a", 1), key("a", 1));
    assert_ne!(key("a", 1), key("a", 2));
    assert_ne!(key("a", 1), key("b", 1));
}

#[test]
fn a_key_is_the_task_s_own() {
    let args = Json::from_stored("{}".into());
    let unique = Unique::by_key("a");
    assert_ne!(unique.key_of("one.task", &args, NOW).key, unique.key_of("other.task", &args, NOW).key);
    let by_args = Unique::by_args().key_of("one.task", &args, NOW).key;
    assert_ne!(Unique::by_key(by_args.trim_start_matches("one.task#")).key_of("one.task", &args, NOW).key, by_args);
}

#[test]
fn arguments_that_say_the_same_are_the_same_however_they_are_written() {
    let key = |args: &str| Unique::by_args().key_of("t", &Json::from_stored(args.into()), NOW).key;
    let same = key(r#"{"a":1,"b":{"x":[0,2.5],"y":null}}"#);
    assert_eq!(key(r#"{"b":{"y":null,"x":[-0.0,2.5]},"a":1.0}"#), same);
    for other in [
        r#"{"a":1,"b":{"x":[0,2.5]}}"#,
        r#"{"a":1,"b":{"x":[2.5,0],"y":null}}"#,
        r#"{"a":"1","b":{"x":[0,2.5],"y":null}}"#,
        r#"{"a":1,"b":{"x":[0,2.25],"y":null}}"#,
    ] {
        assert_ne!(key(other), same, "{other}");
    }
    assert_ne!(key(r#"{"n":18446744073709551615}"#), key(r#"{"n":18446744073709551614}"#));
    assert_ne!(key(r#"["a","b"]"#), key(r#"["a\",\"b"]"#));
}

#[test]
fn what_a_call_says_comes_before_what_its_task_says() {
    let call = bill::with(Some("a".to_owned()), 1).unique(Unique::by_key("k").within(Duration::from_secs(60)));
    let unique = spec(call.limit_key("other")).unique.expect("a key");
    assert!(unique.key.ends_with(" k"), "{}", unique.key);
    assert_eq!(unique.holds_until, Some(NOW + jiff::SignedDuration::from_secs(60)));
}

#[test]
fn the_limit_key_is_the_value_of_its_argument() {
    let key = |tenant: Option<String>| spec(bill::with(tenant, 1)).limit_key.map(String::from);
    assert_eq!(key(Some("ACME \"AG\"".to_owned())).as_deref(), Some("ACME \"AG\""));
    assert_eq!(key(None), None);
    let number = resolve(sync::with(7u64).erase(), NOW).expect("the call is good").limit_key;
    assert_eq!(number.as_deref(), Some("7"));
    let float = crate::validate::key_in(&Json::from_stored(r#"{"id":7.0}"#.into()), "id");
    assert_eq!(float.as_deref(), Some("7"));
    let given = spec(bill::with(Some("a".to_owned()), 1).limit_key("b")).limit_key;
    assert_eq!(given.as_deref(), Some("b"));
}

#[test]
fn keys_that_cannot_be_kept_are_refused_with_their_field() {
    let call = || bill::with(None, 1);
    let long = "x".repeat(256);
    assert!(problem(call().unique(Unique::by_key(""))).contains("unique.key is empty"));
    assert!(problem(call().unique(Unique::by_key(long.clone()))).contains("unique.key is 256 bytes long; at most 255"));
    assert!(problem(call().unique(Unique::by_key("a\0b"))).contains("control characters"));
    assert!(problem(call().unique(Unique::by_args().within(Duration::ZERO))).contains("unique.for"));
    assert!(problem(call().limit_key("")).contains("limit_key is empty"));
    assert!(problem(call().limit_key(long)).contains("limit_key is 256 bytes"));
    assert!(problem(call().idempotency(Idempotency::new("", b""))).contains("idempotency_key is empty"));
}

#[test]
fn a_limit_key_from_an_argument_is_checked_when_the_job_is_made() {
    let call = bill::with(Some("x".repeat(300)), 1).erase();
    let problem = resolve(call, NOW).expect_err("the key is too long").to_string();
    assert!(problem.contains("limit_key is 300 bytes long"), "{problem}");
}

#[test]
fn a_key_is_held_as_its_owner_said() {
    let args = Json::null();
    let finished = Unique::by_key("a").key_of("t", &args, NOW);
    let started = Unique::by_key("a").until_started().key_of("t", &args, NOW);
    let held = |phase, run| (finished.is_held(phase, run, NOW), started.is_held(phase, run, NOW));
    assert_eq!(held(Phase::Scheduled, 0), (true, true));
    assert_eq!(held(Phase::Running, 1), (true, false));
    assert_eq!(held(Phase::RetryWait, 1), (true, false));
    assert_eq!(held(Phase::Ready, 1), (true, false));
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_finished()) {
        assert_eq!(held(phase, 1), (false, false), "{phase}");
    }
}
