use super::support::{MINUTE, SECOND, START, add, backend, ping};
use crate::{AnyCall, BackendInfo, Call, CallOptions, InvalidTask, Json, Supports, Task, Timestamp, resolve, validate};

fn check<T: Task>(call: Call<T>, backend: &BackendInfo) -> Result<(), InvalidTask> {
    validate(&call.erase(), backend, START)
}

/// The field and the problem.
fn refused<T: Task>(call: Call<T>, backend: &BackendInfo) -> (String, String) {
    let InvalidTask { problems, .. } = check(call, backend).unwrap_err();
    assert_eq!(problems.len(), 1);
    (problems[0].pointer.clone(), problems[0].detail.clone())
}

fn problem(field: &str, detail: &str) -> (String, String) {
    (format!("#/{field}"), detail.into())
}

/// A backend that can do nothing but enqueue.
fn plain() -> BackendInfo {
    BackendInfo { supports: Supports::NONE, ..backend(["default"]) }
}

// Django 7
#[test]
fn priorities_from_minus_100_to_100_are_accepted() {
    for priority in [-100, 0, 100] {
        assert_eq!(check(add::with(1, 2).priority(priority), &backend(["default"])), Ok(()));
    }
}

// Django 8, 9
#[test]
fn priorities_beyond_100_are_refused() {
    for priority in [-101, 101, i64::MIN, i64::MAX] {
        let detail = format!("is {priority}; give a whole number between -100 and 100");
        assert_eq!(refused(add::with(1, 2).priority(priority), &backend(["default"])), problem("priority", &detail));
    }
}

// Django 10
#[test]
fn a_backend_without_priorities_says_so_before_it_looks_at_the_number() {
    let detail = "is 101, but the backend \"default\" does not support priority; leave it out";
    assert_eq!(refused(ping::with().priority(101), &plain()), problem("priority", detail));
}

// Django 11
#[test]
fn a_backend_without_priorities_accepts_the_default_one() {
    assert_eq!(check(ping::with().priority(0), &plain()), Ok(()));
}

// Django 12
#[test]
fn a_queue_that_the_backend_does_not_have_is_refused_by_name() {
    let detail = "\"queue-2\" is not a queue of the backend \"default\", which has default, queue_1; name one of them, or add it to the queues of the backend";
    assert_eq!(refused(add::with(1, 2).queue("queue-2"), &backend(["default", "queue_1"])), problem("queue", detail));
    assert!(check(add::with(1, 2).queue("queue-2"), &backend(["default"])).unwrap_err().is_queue());
}

// Django 13
#[test]
fn a_backend_with_an_empty_list_takes_any_well_formed_queue() {
    assert_eq!(check(add::with(1, 2).queue("queue-2"), &backend([])), Ok(()));
    let detail = "\"no such\" contains ' '; use letters, digits, `_`, `.`, `:` and `-`";
    assert_eq!(refused(add::with(1, 2).queue("no such"), &backend([])), problem("queue", detail));
}

// Django 15
#[test]
fn a_queue_without_a_name_is_refused() {
    assert!(check(add::with(1, 2).queue(""), &backend(["default"])).unwrap_err().is_queue());
    assert_eq!(
        refused(add::with(1, 2).queue(""), &backend([])),
        problem("queue", "\"\" is empty; give 1 to 128 characters")
    );
}

// Django 18, 19
#[test]
fn times_and_pauses_are_accepted() {
    for call in [add::with(1, 2).run_after(START - MINUTE), add::with(1, 2).run_after(MINUTE)] {
        assert_eq!(check(call, &backend(["default"])), Ok(()));
    }
}

// Django 20
#[test]
fn a_backend_that_cannot_wait_refuses_any_time() {
    let detail = "is set, but the backend \"default\" does not support run_after; leave it out";
    assert_eq!(refused(ping::with().run_after(START - MINUTE), &plain()), problem("run_after", detail));
    assert_eq!(check(ping::with().run_after(None::<Timestamp>), &plain()), Ok(()));
}

// Django 24
#[test]
fn an_async_function_is_refused_where_none_can_run() {
    let detail = "is async, which the backend \"default\" does not support; use a plain `fn`";
    assert_eq!(refused(add::with(1, 2), &plain()), problem("task", detail));
    assert_eq!(check(ping::with(), &plain()), Ok(()));
}

// Django 28
#[test]
fn a_call_is_checked_against_the_backend_that_it_meets() {
    let call = add::with(1, 2).queue("math");
    assert_eq!(check(call.clone(), &backend(["math"])), Ok(()));
    assert!(check(call, &backend(["default"])).unwrap_err().is_queue());
}

/// Each call breaks one rule more than the next, so that of two neighbours the earlier one must be told.
#[test]
fn of_several_broken_rules_the_first_in_django_s_order_is_told() {
    let no = |change: fn(&mut Supports)| {
        let mut backend = backend(["default"]);
        change(&mut backend.supports);
        backend
    };
    let told = |call: Call<add>, backend: &BackendInfo| {
        let (pointer, detail) = refused(call, backend);
        format!("{pointer} {detail}")
    };
    let call = || add::with(1, 2).queue("nowhere").run_after("soon").priority(101).max_attempts(0);

    // An async function, before the support of priorities.
    let neither = no(|supports| (supports.async_task, supports.priority) = (false, false));
    assert!(told(call(), &neither).starts_with("#/task is async"));
    // The support of priorities, before their range.
    let no_priority = no(|supports| (supports.priority, supports.defer) = (false, false));
    assert!(told(call(), &no_priority).starts_with("#/priority is 101, but the backend"));
    // The range of priorities, before the support of times.
    let no_defer = no(|supports| supports.defer = false);
    assert!(told(call(), &no_defer).starts_with("#/priority is 101; give a whole number"));
    // The support of times, before the time itself.
    assert!(told(call().priority(0), &no_defer).starts_with("#/run_after is set, but the backend"));
    // The time itself, before the queue.
    let all = backend(["default"]);
    assert!(told(call().priority(0), &all).starts_with("#/run_after \"soon\" is not a time"));
    // The queue, before the rules that Django does not have.
    assert!(told(call().priority(0).run_after("5m"), &all).starts_with("#/queue \"nowhere\" is not a queue"));
    assert!(told(call().priority(0).run_after("5m").queue("default"), &all).starts_with("#/max_attempts is 0"));
}

/// The same for our own rules.
#[test]
fn our_rules_come_in_the_order_of_the_fields() {
    let all = backend(["default"]);
    let tags = |call: Call<add>, n: usize| (0..n).fold(call, |call, n| call.tag(format!("t{n}")));
    let fields = ["max_attempts", "timeout_ms", "expires_at", "tags", "tags/0", "metadata", "args"];
    for (broken_from, field) in fields.into_iter().enumerate() {
        let mut call: Call<add> = Call::from_args(&[f64::NAN]);
        let breaks = |rule| broken_from <= rule;
        call = if breaks(0) { call.max_attempts(0) } else { call };
        call = if breaks(1) { call.timeout(SECOND / 10_000) } else { call };
        call = if breaks(2) { call.expires("never") } else { call };
        call = if breaks(4) { call.tag("no tag") } else { call };
        call = if breaks(3) { tags(call, 16) } else { call };
        call = if breaks(5) { call.metadata(&[1]) } else { call };
        let (pointer, _) = refused(call, &all);
        let args = if field == "args" { "/0" } else { "" };
        assert_eq!(pointer, format!("#/{field}{args}"));
    }
}

#[test]
fn our_refusals_name_the_value_and_the_fix() {
    let all = backend(["default"]);
    let of = |call: Call<add>| refused(call, &all);
    let tags = (0..17).fold(add::with(1, 2), |call, n| call.tag(format!("t{n}")));
    assert_eq!(of(tags), problem("tags", "has 17 tags; at most 16 are allowed"));
    let tag = "\"no tag\" contains ' '; use letters, digits, `_`, `.`, `:` and `-`";
    assert_eq!(of(add::with(1, 2).tag("a").tag("no tag")), problem("tags/1", tag));
    let attempts = add::with(1, 2).max_attempts(0);
    assert_eq!(of(attempts), problem("max_attempts", "is 0; give at least 1"));
    let timeout = "is less than a millisecond; give more, or leave it out for no timeout";
    assert_eq!(of(add::with(1, 2).timeout(SECOND / 10_000)), problem("timeout_ms", timeout));
    assert_eq!(of(add::with(1, 2).metadata(&[1])), problem("metadata", "is [1], not a JSON object"));
    let (_, long) = of(add::with(1, 2).metadata(&"ä".repeat(100)));
    assert_eq!(long, format!("is \"{}…, not a JSON object", "ä".repeat(39)));
    let nan = "is NaN, which JSON does not have; send null or text";
    assert_eq!(of(add::with(1, 2).metadata(&("x", f64::NAN))), problem("metadata/1", nan));
}

#[test]
fn large_and_deep_values_are_refused_with_their_size() {
    let call = |args: String| AnyCall::named("t", None, Json::from_stored(args), CallOptions::default());
    let check = |args: String| validate(&call(args), &backend(["default"]), START).map_err(|wrong| wrong.to_string());
    let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
    assert_eq!(check(text(256 * 1024)), Ok(()));
    assert_eq!(
        check(text(256 * 1024 + 1)).unwrap_err(),
        "task \"t\" cannot be enqueued: args is 262145 bytes of JSON; at most 262144 are allowed, so store large data \
         elsewhere and pass its key"
    );
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(check(nested(64)), Ok(()));
    assert_eq!(
        check(nested(65)).unwrap_err(),
        "task \"t\" cannot be enqueued: args is nested 65 deep; at most 64 levels are allowed"
    );
}

#[test]
fn metadata_has_its_own_bound() {
    let metadata = |len: usize| serde_json::json!({"k": "x".repeat(len - 8)});
    assert_eq!(check(add::with(1, 2).metadata(&metadata(16 * 1024)), &backend(["default"])), Ok(()));
    let (pointer, detail) = refused(add::with(1, 2).metadata(&metadata(16 * 1024 + 1)), &backend(["default"]));
    assert!(pointer == "#/metadata" && detail.starts_with("is 16385 bytes of JSON; at most 16384"), "{detail}");
}

#[test]
fn a_job_has_all_that_its_call_asked_for() {
    let call = add::with(1, 2).queue("math").priority(-7).run_after("5m").expires(START + 10 * MINUTE);
    let call = call.max_attempts(4).timeout(SECOND).tag("a").tag("b").metadata(&serde_json::json!({"k": 1}));
    let job = resolve(call.erase(), START).unwrap();
    assert_eq!((job.task.as_ref(), job.args.as_str()), ("callboard_tasks.add", r#"{"a":1,"b":2}"#));
    assert_eq!((job.queue.as_ref(), job.priority, job.enqueued_at), ("math", -7, START));
    assert_eq!((job.run_after, job.expires_at), (Some(START + 5 * MINUTE), Some(START + 10 * MINUTE)));
    assert_eq!((job.retry.max_attempts, job.timeout), (4, Some(SECOND)));
    assert_eq!((job.tags.as_slice(), job.metadata.unwrap().as_str()), (&["a".into(), "b".into()][..], r#"{"k":1}"#));
}

#[test]
fn the_same_call_becomes_a_job_of_its_own_each_time() {
    let call = add::with(1, 2).erase();
    let (one, other) = (resolve(call.clone(), START).unwrap(), resolve(call, START).unwrap());
    assert!(one.id < other.id);
    assert_eq!(one.args, other.args);
}

#[test]
fn a_traceparent_is_kept_if_it_is_one() {
    let kept = |text: &str| resolve(add::with(1, 2).traceparent(text).erase(), START).unwrap().traceparent.is_some();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    assert!(kept(&format!("00-{trace}-{parent}-01")));
    assert!(kept(&format!("00-{trace}-{parent}-00")));
    assert!(kept(&format!("cc-{trace}-{parent}-01-of-a-later-version")));
    let malformed = [
        String::new(),
        "x".into(),
        format!("00-{trace}-{parent}"),
        format!("00-{trace}-{parent}-01-more"),
        format!("ff-{trace}-{parent}-01"),
        format!("0-{trace}-{parent}-01"),
        format!("00-{trace}-{parent}-1"),
        format!("00-{trace}-{parent}-0g"),
        format!("00-{}-{parent}-01", trace.to_uppercase()),
        format!("00-{}-{parent}-01", &trace[1..]),
        format!("00-{}-{parent}-01", "0".repeat(32)),
        format!("00-{trace}-{}-01", "0".repeat(16)),
        format!(" 00-{trace}-{parent}-01"),
    ];
    for text in malformed {
        assert!(!kept(&text), "{text}");
    }
}
