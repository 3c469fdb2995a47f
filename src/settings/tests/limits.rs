//! `[tasks.<alias>.limits]`: what is read, and what is refused.

use callboard_tasks::QueueLimits;

use super::{MEMORY, good, problems};

#[test]
fn limits_of_queues_are_read() {
    let text = format!(
        "{MEMORY}queues = [\"default\", \"mail\"]\n[tasks.default.limits.mail]\nconcurrency = 4\nrate = \"100/1m\"\n\
         key_concurrency = 1\nkey_rate = \"5/1s\"\ndepth = 1000\n"
    );
    let settings = good(&text);
    let expected = QueueLimits {
        concurrency: Some(4),
        rate: Some("100/1m".parse().unwrap()),
        key_concurrency: Some(1),
        key_rate: Some("5/1s".parse().unwrap()),
        depth: Some(1_000),
    };
    let limits = &settings.tasks["default"].limits;
    assert_eq!(limits.iter().collect::<Vec<_>>(), [(&"mail".to_owned(), &expected)]);
}

#[test]
fn what_is_no_limit_is_refused_with_its_key() {
    let text = format!(
        "{MEMORY}[tasks.default.limits.default]\nconcurrency = 0\nrate = \"10/banana\"\nkey_rate = \"0/1m\"\ndepth = -1\n\
         concurency = 3\n[tasks.default.limits.mail]\nconcurrency = 1\n"
    );
    let found = problems(&text);
    let has = |key: &str, detail: &str| {
        let key = format!("tasks.default.limits.{key}");
        assert!(found.iter().any(|problem| problem.contains(&key) && problem.contains(detail)), "{key}: {found:#?}");
    };
    has("default.concurrency", "from 1 to");
    has("default.rate", "\"10/banana\" is not a rate");
    has("default.key_rate", "pause the queue");
    has("default.depth", "from 1 to");
    has("default.concurency", "did you mean concurrency?");
    has("mail", "no queue of this backend");
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn a_backend_without_workers_has_no_limits() {
    let found = problems("[tasks.default]\nbackend = \"dummy\"\n[tasks.default.limits.default]\nconcurrency = 1\n");
    assert!(found[0].contains("tasks.default.limits has no effect"), "{found:?}");
}
