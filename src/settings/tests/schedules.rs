//! `[[schedules]]`.

use callboard_tasks::{Definition, Missed, Timestamp, task};

use super::*;

const DIGEST: &str = "[[schedules]]\nname = \"digest\"\ncron = \"0 9 * * *\"\ntask = \"sums.add\"\n";

#[task(name = "sums.add")]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

fn with(lines: &str) -> String {
    format!("{MEMORY}{DIGEST}{lines}\n")
}

#[test]
fn a_schedule_says_when_and_what() {
    let settings = good(&with(
        r#"
        timezone = "europe/berlin"
        missed = "all within 6h"
        args = { a = 1, b = [true, 1.5, "x", 2026-01-01], c = { d = "\"" } }
        queue = "default"
        priority = -5
        max_attempts = 2
        timeout = "30s"
        expires = "1h"
        unique = true
        tags = ["nightly"]
        limit_key = "tenant-7"
        "#,
    ));
    let [schedule] = settings.schedules.as_slice() else { panic!("{:?}", settings.schedules) };
    assert_eq!((schedule.known_as(), schedule.backend()), ("digest", "default"));
    assert_eq!((schedule.calendar().line(), schedule.calendar().timezone()), ("0 9 * * *", "Europe/Berlin"));
    let (task, args) = schedule.to_be_looked_up().unwrap();
    assert_eq!((task, args), ("sums.add", r#"{"a":1,"b":[true,1.5,"x","2026-01-01"],"c":{"d":"\""}}"#));

    // What the options are shows in the definition.
    let args = callboard_tasks::Json::null();
    let call = callboard_tasks::AnyCall::named("sums.add", None, args, callboard_tasks::CallOptions::default());
    let backend = callboard_tasks::BackendInfo {
        alias: "default".into(),
        supports: callboard_tasks::Supports::ALL,
        queues: callboard_tasks::QueueNames::from_list(["default"]),
    };
    let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
    let kept = schedule.clone().found(call).define(&backend, now).unwrap();
    let definition = Definition::read(&kept.definition).unwrap();
    assert_eq!(definition.missed, Missed::All { within: Duration::from_secs(6 * 3600) });
    let job = definition.job("digest", now, now).unwrap();
    assert_eq!((job.priority, job.retry.max_attempts, job.timeout), (-5, 2, Some(Duration::from_secs(30))));
    assert_eq!(job.expires_at, Some(now + Duration::from_secs(3600)));
    assert_eq!(
        (job.tags.as_slice(), job.limit_key.as_deref()),
        (&["nightly".into(), "schedule:digest".into()][..], Some("tenant-7"))
    );
    assert!(job.unique.is_some());
}

#[test]
fn a_schedule_that_is_not_enabled_is_checked_and_left_out() {
    assert_eq!(good(&with("enabled = false")).schedules, []);
    assert_eq!(good(&with("enabled = true")).schedules.len(), 1);
    assert_eq!(problems(&with("enabled = false\npriority = 200")).len(), 1);
}

#[test]
fn everything_that_is_wrong_with_schedules_is_said_at_once_with_key_and_fix() {
    let text = format!(
        "{MEMORY}{}",
        r#"
        [[schedules]]
        name = "one"
        cron = "61 9 * * *"
        timezone = "Berlin"
        missed = "all"
        task = "a b"
        args = 7
        backend = "reports"
        priority = 101
        when = "now"
        [[schedules]]
        name = "one"
        cron = "0 0 30 2 *"
        [[schedules]]
        name = "three"
        cron = "@daily"
        task = "demo.add"
        queue = "mail"
        args = { n = inf }
        "#
    );
    let found = problems(&text);
    for says in [
        "schedules[0].cron has \"61\" as its minute; write *, or 0-59",
        "schedules[0].timezone \"Berlin\" is no time zone",
        "did you mean \"Europe/Berlin\"?",
        "schedules[0].missed \"all\" must say how old they may be; write \"all within 6h\"",
        "schedules[0].task contains ' '",
        "schedules[0].args is 7; write a table by name",
        "schedules[0].backend is \"reports\", which is no backend here; there are default",
        "schedules[0].priority is 101; write a whole number from -100 to 100",
        "schedules[0].when is no setting",
        "schedules[1].name is \"one\", as that of a schedule above; give each its own",
        "schedules[1].cron \"0 0 30 2 *\" never fires",
        "schedules[1].task is missing",
        "schedules[2].queue is \"mail\", no queue of its backend, which has default",
        "schedules[2].args has inf in it",
    ] {
        assert!(found.iter().any(|problem| problem.contains(says)), "{says}: {found:#?}");
    }
    assert_eq!(found.len(), 13, "{found:#?}");
}

#[test]
fn a_board_with_the_settings_has_their_schedules() {
    let add = <add as callboard_tasks::Task>::definition();
    let settings = good(&with("args = { a = 1, b = 2 }"));
    let builder = callboard_actors::Callboard::builder().tasks([add]).settings(settings);
    let board = futures::executor::block_on(builder.start()).unwrap();
    let schedules = futures::executor::block_on(board.schedules()).unwrap();
    assert_eq!((schedules[0].record.name.as_str(), schedules[0].record.declared), ("digest", true));
    assert_eq!(schedules[0].definition.as_ref().unwrap().call().args_json().unwrap(), r#"{"a":1,"b":2}"#);

    let wrong = good(&with("args = { a = 1 }"));
    let builder = callboard_actors::Callboard::builder().tasks([add]).settings(wrong);
    let refused = futures::executor::block_on(builder.start()).unwrap_err().to_string();
    assert!(refused.contains("schedule \"digest\" is refused: args.b is missing"), "{refused}");
}
