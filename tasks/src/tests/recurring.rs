//! Schedules and their definitions: what is refused, what is kept, and what jobs come of it.

use std::time::Duration;

use crate::{
    AnyCall, BackendInfo, CallOptions, Definition, Json, Missed, QueueNames, RunAfter, Schedule, Supports, Timestamp,
    Unique, task,
};

#[task(queue = "mail", max_attempts = 3, backoff = "2s..10m", timeout = "30s", priority = 5)]
async fn send_digest(list: String) {
    let _ = list;
}

fn backend() -> BackendInfo {
    BackendInfo { alias: "default".into(), supports: Supports::ALL, queues: QueueNames::from_list(["default", "mail"]) }
}

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn digest() -> Schedule {
    Schedule::cron("0 9 * * *", send_digest::with("news")).unwrap()
}

fn refused(schedule: &Schedule) -> String {
    schedule.define(&backend(), now()).unwrap_err().to_string()
}

#[test]
fn a_definition_is_read_back_as_it_was_made() {
    let call = send_digest::with("news").unique(Unique::by_key("k").within(Duration::from_secs(60))).tag("a");
    let schedule = Schedule::cron("0 9 * * *", call.run_after("5m").metadata(&serde_json::json!({"source": "code"})));
    let schedule = schedule.unwrap().name("digest").timezone("Europe/Berlin").unwrap();
    let schedule = schedule.missed(Missed::All { within: Duration::from_secs(3600) });
    let kept = schedule.define(&backend(), now()).unwrap();
    assert_eq!(kept.name, "digest");

    let read = Definition::read(&kept.definition).unwrap();
    assert_eq!(&read.calendar, schedule.calendar());
    assert_eq!(read.missed, Missed::All { within: Duration::from_secs(3600) });
    assert_eq!(read.call().args_json().unwrap(), r#"{"list":"news"}"#);
    let tick = "2026-11-27T08:00:00Z".parse().unwrap();
    let job = read.job("digest", tick, now()).unwrap();
    assert_eq!(job.tags, ["a", "schedule:digest"]);
    assert_eq!(job.run_after, Some(now() + Duration::from_secs(300)));
    let unique = job.unique.unwrap();
    assert!(unique.key.ends_with(" k"), "{}", unique.key);
    assert_eq!(unique.holds_until, Some(now() + Duration::from_secs(60)));
    let metadata = job.metadata.unwrap().to_value();
    assert_eq!(metadata["source"], "code");
    assert_eq!(metadata["schedule"]["name"], "digest");
    assert_eq!(metadata["schedule"]["tick"], "2026-11-27T08:00:00Z");
}

#[test]
fn what_the_task_says_is_filled_in_for_processes_without_its_code() {
    let kept = digest().define(&backend(), now()).unwrap();
    assert_eq!(kept.name, send_digest::NAME);
    let job = Definition::read(&kept.definition).unwrap().job(&kept.name, now(), now()).unwrap();
    assert_eq!((job.queue.as_ref(), job.priority, job.retry.max_attempts), ("mail", 5, 3));
    assert_eq!(job.retry.backoff, crate::Backoff::parse("2s..10m").unwrap());
    assert_eq!(job.timeout, Some(Duration::from_secs(30)));
}

#[test]
fn the_same_schedule_has_the_same_definition() {
    assert_eq!(digest().define(&backend(), now()).unwrap(), digest().define(&backend(), Timestamp::MAX).unwrap());
}

#[test]
fn members_of_a_later_version_are_passed_over_and_what_cannot_be_read_is_said() {
    let kept = digest().define(&backend(), now()).unwrap().definition;
    let later = kept.as_str().replacen('{', r#"{"jitter":"5s","blackout":[1],"#, 1);
    assert_eq!(Definition::read(&Json::from_stored(later)), Definition::read(&kept));

    let odd = kept.as_str().replace("0 9 * * *", "0 9 * * * every year");
    assert!(Definition::read(&Json::from_stored(odd)).unwrap_err().contains("cron"));
    assert!(Definition::read(&Json::from_stored("{}".into())).is_err());
}

#[test]
fn a_schedule_that_breaks_a_rule_is_refused_with_the_field() {
    for (schedule, says) in [
        (digest().name("a b"), "name \"a b\" contains ' '"),
        (digest().name("x".repeat(120)), "name is 120 bytes long; a schedule's has at most 119"),
    ] {
        assert!(refused(&schedule).contains(says), "{}", refused(&schedule));
    }
    let of = |call: crate::Call<send_digest>| refused(&Schedule::cron("@daily", call).unwrap());
    let call = || send_digest::with("news");
    assert!(of(call().queue("other")).contains("queue \"other\" is not a queue"), "{}", of(call().queue("other")));
    assert!(of(call().priority(101)).contains("priority is 101"));
    let text = of(call().run_after(now()));
    assert!(text.contains("run_after is 2026-11-26T12:00:00Z; a schedule's call waits"), "{text}");
    let text = of(call().metadata(&serde_json::json!({"schedule": 1})));
    assert!(text.contains("metadata has a member \"schedule\""), "{text}");
    let text = digest().timezone("Berlin").unwrap_err().to_string();
    assert!(text.contains("timezone \"Berlin\" is no time zone"), "{text}");
}

#[test]
fn a_call_by_name_is_looked_up_first() {
    let options = CallOptions { priority: Some(7), expires: RunAfter::from("1h"), ..CallOptions::default() };
    let schedule = Schedule::named("@daily", "send_digest", r#"["news"]"#, options).unwrap();
    assert_eq!(schedule.to_be_looked_up(), Some(("send_digest", r#"["news"]"#)));
    assert!(refused(&schedule).contains("was not looked up"));

    let args = Json::from_value(&serde_json::json!({"list": "news"})).unwrap();
    let options = CallOptions { queue: Some("mail".into()), ..CallOptions::default() };
    let found = schedule.found(AnyCall::named("shop.send_digest", None, args, options));
    let kept = found.define(&backend(), now()).unwrap();
    assert_eq!(kept.name, "shop.send_digest");
    let job = Definition::read(&kept.definition).unwrap().job("x", now(), now()).unwrap();
    assert_eq!((job.queue.as_ref(), job.priority), ("mail", 7));
    assert_eq!(job.expires_at, Some(now() + Duration::from_secs(3600)));
}
