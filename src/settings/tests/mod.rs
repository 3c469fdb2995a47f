#![allow(clippy::unwrap_used)]

#[cfg(feature = "http")]
mod csp;
#[cfg(feature = "http")]
mod http;
mod limits;
#[cfg(feature = "mail")]
mod mail;
mod schedules;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callboard_actors::Work;

use super::*;

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("callboard-settings-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn read_with(text: &str, pairs: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let table = tree::read("callboard.toml", text).map_err(|problems| shown(&problems))?;
    Settings::walk(Some(Path::new("callboard.toml")), table, variables(pairs)).map_err(|error| match error {
        SettingsError::Problems(problems) => shown(&problems),
        other => vec![other.to_string()],
    })
}

fn shown(problems: &[SettingsProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn good(text: &str) -> Settings {
    read_with(text, &[]).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    read_with(text, &[]).unwrap_err()
}

const MEMORY: &str = "[tasks.default]\nbackend = \"memory\"\n";

#[test]
fn the_smallest_file_names_the_backend_and_leaves_everything_else_to_the_defaults() {
    let settings = good(MEMORY);
    assert_eq!(settings.tasks["default"], BackendSettings::of(BackendKind::Memory));
    assert_eq!(settings.file.unwrap(), Path::new("callboard.toml"));
    assert_eq!(settings.shutdown_grace, None);
}

#[test]
fn every_key_arrives_in_its_place() {
    let settings = good(
        r#"
        required_tasks = ["shop.receipt"]
        drain_delay = "5s"
        shutdown_grace = "1m"
        [tasks.default]
        backend = "memory"
        queues = ["default", "mail"]
        [tasks.default.options]
        workers = 2
        concurrency = 50
        lease = "5s"
        keep_successful = "1d"
        keep_failed = "2w"
        keep_max = 0
        [tasks.tests]
        backend = "dummy"
        queues = []
        "#,
    );
    assert_eq!(settings.required_tasks, ["shop.receipt"]);
    assert_eq!(settings.drain_delay, Duration::from_secs(5));
    assert_eq!(settings.shutdown_grace, Some(Duration::from_secs(60)));
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(
        settings.tasks["default"],
        BackendSettings {
            kind: BackendKind::Memory,
            queues: Some(vec!["default".into(), "mail".into()]),
            workers: Some(2),
            concurrency: Some(50),
            lease: Some(Duration::from_secs(5)),
            keep_successful: Some(day),
            keep_failed: Some(14 * day),
            keep_max: Some(0),
            ..BackendSettings::of(BackendKind::Memory)
        }
    );
    let tests = BackendSettings { queues: Some(vec![]), ..BackendSettings::of(BackendKind::Dummy) };
    assert_eq!(settings.tasks["tests"], tests);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_lines_each_with_its_key_value_and_fix() {
    let found = problems(
        "required_tasks = 3\n[tasks.default]\nbackend = \"memroy\"\nqueue = [\"a\"]\n[tasks.default.options]\nlease = \"3\"\nworkers = 0\n",
    );
    assert_eq!(
        found,
        [
            "callboard.toml:1: required_tasks is 3; write a list such as [\"shop.send_receipt\"]",
            "callboard.toml:3: tasks.default.backend is \"memroy\"; did you mean \"memory\"?",
            "callboard.toml:4: tasks.default.queue is no setting; did you mean queues?",
            "callboard.toml:6: tasks.default.options.lease \"3\" is a duration without a unit; write \"3s\" for seconds",
            "callboard.toml:7: tasks.default.options.workers is 0; write a whole number from 1 to 1024",
        ]
    );
}

#[test]
fn every_error_of_syntax_is_reported_with_its_line() {
    let found = problems("[tasks.default\nbackend = \"memory\"\nqueues = [\"a\"\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(found[0].starts_with("callboard.toml:1: is not TOML: "), "{found:?}");
}

#[test]
fn a_file_that_names_backends_must_name_the_alias_default() {
    let fix = "there must be a backend of this alias; write [tasks.default] and below it backend = \"sqlite\"";
    let other = "[tasks.mail]\nbackend = \"memory\"\n";
    assert_eq!(problems(other), [format!("callboard.toml:1: tasks.default is missing; {fix}")]);
}

#[test]
fn a_file_that_names_no_backend_leaves_those_of_the_builder() {
    for text in ["", "[tasks]\n", "shutdown_grace = \"1s\"\n", "[http]\n"] {
        let settings = good(text);
        assert!(settings.tasks.is_empty(), "{text:?}");
        let board = futures::executor::block_on(
            callboard_actors::Callboard::builder().memory().tasks([]).settings(settings).start(),
        );
        assert_eq!(board.unwrap().backends()[0].alias, "default", "{text:?}");
    }
}

#[test]
fn a_variable_problem_comes_after_those_of_the_file() {
    let set = [("CALLBOARD__TASKS__DEFAULT__OPTIONS__WORKERS", "many")];
    let found = read_with(&format!("{MEMORY}[tasks.default.options]\nlease = 3\nbogus = 1\n"), &set).unwrap_err();
    let places: Vec<_> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["callboard.toml:4", "callboard.toml:5", "CALLBOARD__TASKS__DEFAULT__OPTIONS__WORKERS"]);
}

#[test]
fn what_is_refused_is_never_offered() {
    let found = problems(&format!("zzzz = 1\nhttp_requests = 2\n{MEMORY}urls = 3\nqqqq = 4\n"));
    assert_eq!(
        found,
        [
            "callboard.toml:1: zzzz is no setting; known are tasks, required_tasks, schedules, drain_delay, shutdown_grace, http, csp, mail, templates",
            "callboard.toml:2: http_requests is no setting; did you mean http?",
            "callboard.toml:5: tasks.default.urls is no setting; known are backend, queues, options, work, limits",
            "callboard.toml:6: tasks.default.qqqq is no setting; known are backend, queues, options, work, limits",
        ]
    );
    let none = problems("[tasks.default]\nbackend = \"dummy\"\n[tasks.default.options]\nqqqq = 4\n");
    assert_eq!(none, ["callboard.toml:4: tasks.default.options.qqqq is no setting; there are none here; remove it"]);
}

#[test]
fn a_variable_with_one_underscore_too_few_is_no_setting_and_said_so() {
    let set = [
        ("CALLBOARD_TASKS__DEFAULT__BACKEND", "memory"),
        ("CALLBOARD_SHUTDOWN_GRACE", "1s"),
        ("CALLBOARD_URL", "http://127.0.0.1:8000"),
        ("CALLBOARD_TOKEN", "x"),
        ("CALLBOARD_HTTP_PORT", "set by a system for containers"),
    ];
    let found = read_with(MEMORY, &set).unwrap_err();
    let fix = "sets nothing: two underscores must follow CALLBOARD; write";
    assert_eq!(
        found,
        [
            format!("CALLBOARD_SHUTDOWN_GRACE: {fix} CALLBOARD__SHUTDOWN_GRACE"),
            format!("CALLBOARD_TASKS__DEFAULT__BACKEND: {fix} CALLBOARD__TASKS__DEFAULT__BACKEND"),
        ]
    );
}

#[test]
fn a_backend_without_a_kind_is_refused() {
    let found = problems("[tasks.default]\nqueues = []\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("tasks.default.backend is missing; write backend = \"sqlite\""), "{found:?}");
}

fn place_of(text: &str) -> Option<StorePlace> {
    good(text).tasks["default"].place.clone()
}

#[test]
fn a_sqlite_file_stands_beside_the_settings_unless_its_path_is_whole() {
    let file = |path: &str| Some(StorePlace::File(path.into()));
    assert_eq!(place_of("[tasks.default]\nbackend = \"sqlite\"\n"), file("callboard.db"));
    assert_eq!(place_of("[tasks.default]\nbackend = \"sqlite\"\nurl = \"jobs.db\"\n"), file("jobs.db"));
    assert_eq!(place_of("[tasks.default]\nbackend = \"sqlite\"\nurl = \"/var/jobs.db\"\n"), file("/var/jobs.db"));
}

#[test]
fn the_place_of_the_jobs_alone_says_what_kind_of_backend_it_is() {
    let url = "postgres://ada@db.example/jobs";
    let settings = good(&format!("[tasks.default]\nurl = \"{url}\"\n"));
    assert_eq!(settings.tasks["default"].kind, BackendKind::Postgres);
    assert_eq!(settings.tasks["default"].place, Some(StorePlace::Database(DatabaseUrl(url.into()))));
    assert_eq!(good("[tasks.default]\nurl = \"jobs.db\"\n").tasks["default"].kind, BackendKind::Sqlite);
}

// Django 27
#[test]
fn a_place_that_does_not_fit_the_backend_is_refused_with_what_to_write() {
    for (backend, url, expected) in [
        ("sqlite", "postgres://db/jobs", "url is a URL; with backend = \"sqlite\" write the path of a file"),
        ("postgres", "callboard.db", "url is no URL of PostgreSQL; write \"postgres://user@host:5432/database\""),
    ] {
        let found = problems(&format!("[tasks.default]\nbackend = \"{backend}\"\nurl = \"{url}\"\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("callboard.toml:3: tasks.default.") && found[0].contains(expected), "{found:?}");
    }
    let found = problems("[tasks.default]\nbackend = \"postgres\"\n");
    assert!(found[0].contains("tasks.default.url is missing; write url = \"postgres://"), "{found:?}");
}

#[test]
fn how_postgres_is_connected_to_can_be_said() {
    let settings = read_with(
        r#"
        [tasks.default]
        url = "postgres://ada:secret@pooler:6432/jobs"
        schema = "shop_tasks"
        pooler = true
        listen_url = "postgres://ada:secret@db/jobs"
        "#,
        &[],
    )
    .unwrap();
    let backend = &settings.tasks["default"];
    assert_eq!((backend.schema.as_deref(), backend.pooler), (Some("shop_tasks"), true));
    assert!(backend.listen_url.is_some());
    assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");

    let found = problems("[tasks.default]\nbackend = \"sqlite\"\npooler = true\nschema = \"x\"\n");
    assert_eq!(found.len(), 2, "{found:?}");
    let found = problems("[tasks.default]\nurl = \"postgres://db/x\"\npooler = \"maybe\"\n");
    assert!(found[0].contains("pooler is \"maybe\"; write true or false"), "{found:?}");
}

#[test]
fn only_memory_keeps_so_many() {
    let found = problems("[tasks.default]\nbackend = \"sqlite\"\n[tasks.default.options]\nkeep_max = 5\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("keep_max has no effect with a durable backend"), "{found:?}");
}

#[test]
fn a_url_beside_a_backend_without_a_store_is_refused() {
    let found = problems(&format!("{MEMORY}url = \"x\"\n"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("tasks.default.url has no effect"), "{found:?}");
}

#[test]
fn options_that_a_backend_does_not_have_are_refused() {
    let found = problems("[tasks.default]\nbackend = \"dummy\"\n[tasks.default.options]\nworkers = 2\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("tasks.default.options.workers has no effect"), "{found:?}");
}

#[test]
fn what_belongs_to_later_versions_is_refused_and_never_ignored() {
    let later = r#"
        [http_request]
        allow = []
    "#;
    let found = problems(&format!("{MEMORY}{later}"));
    assert!(found[0].ends_with(" http_request is not part of this version yet; remove it"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_queue_is_named_well_and_once() {
    let found = problems("[tasks.default]\nbackend = \"memory\"\nqueues = [\"a b\", \"c\", \"c\", 5]\n");
    assert_eq!(
        found,
        [
            "callboard.toml:3: tasks.default.queues[3] is 5; write text in quotes",
            "callboard.toml:3: tasks.default.queues[0] contains ' '; use letters, digits, `_`, `.`, `:` and `-`",
            "callboard.toml:3: tasks.default.queues[2] is \"c\", which stands in the list twice",
        ]
    );
}

#[test]
fn what_this_process_works_is_read_with_its_permits() {
    let settings = good(
        "[tasks.default]\nbackend = \"memory\"\nqueues = [\"default\", \"mail\"]\n\
                         [tasks.default.work]\nqueues = { mail = 4, default = 50 }\n",
    );
    assert_eq!(settings.tasks["default"].work, Some(Work::of([("default", 50), ("mail", 4)])));
    let nothing = good(&format!("{MEMORY}work = {{ queues = {{}} }}\n"));
    assert_eq!(nothing.tasks["default"].work, Some(Work::none()));
    assert_eq!(good(MEMORY).tasks["default"].work, None);
    let variable = ("CALLBOARD__TASKS__DEFAULT__WORK__QUEUES", "{ default = 7 }");
    assert_eq!(read_with(MEMORY, &[variable]).unwrap().tasks["default"].work, Some(Work::of([("default", 7)])));
    let variable = ("CALLBOARD__TASKS__DEFAULT__WORK__QUEUES__DEFAULT", "7");
    assert_eq!(read_with(MEMORY, &[variable]).unwrap().tasks["default"].work, Some(Work::of([("default", 7)])));
}

#[test]
fn what_cannot_be_worked_is_named_with_the_fix() {
    let work = "[tasks.default.work]\nqueues = { mail = 4, default = 0, \"a b\" = 1 }\n";
    assert_eq!(
        problems(&format!("{MEMORY}{work}")),
        [
            "callboard.toml:4: tasks.default.work.queues.a b is the entry of a queue whose name contains ' '; use letters, digits, `_`, `.`, `:` and `-`",
            "callboard.toml:4: tasks.default.work.queues.default is 0; write how many attempts run at once, from 1 to 1000000, or leave the queue out",
            "callboard.toml:4: tasks.default.work.queues.mail is no queue of this backend, which has default; add it to its queues",
        ]
    );
    assert_eq!(
        problems(&format!("{MEMORY}[tasks.default.work]\n")),
        [
            "callboard.toml:3: tasks.default.work.queues is missing; write queues = { mail = 4, default = 50 }, or queues = {} to work none"
        ]
    );
    assert_eq!(problems(&format!("{MEMORY}work = {{ queues = 3 }}\n")).len(), 1);
    let dummy = problems("[tasks.default]\nbackend = \"dummy\"\nwork = { queues = {} }\n");
    assert_eq!(
        dummy,
        ["callboard.toml:3: tasks.default.work has no effect with a backend that has no workers; remove it"]
    );
}

#[test]
fn a_lease_that_no_system_can_keep_is_refused() {
    let found = problems(&format!("{MEMORY}[tasks.default.options]\nlease = \"100ms\"\n"));
    assert_eq!(found, ["callboard.toml:4: tasks.default.options.lease is \"100ms\"; write at least \"300ms\""]);
}

#[test]
fn a_value_of_the_wrong_kind_names_the_right_one() {
    let found = problems("tasks = 1\nshutdown_grace = 25\n");
    assert_eq!(
        found,
        [
            "callboard.toml:1: tasks is 1; write a table, [tasks]",
            "callboard.toml:2: shutdown_grace is 25; write a duration as text, such as \"3s\" or \"7d\"",
        ]
    );
}

#[test]
fn a_variable_wins_over_the_file_whatever_its_letter_case() {
    let text = "[tasks.default]\nbackend = \"dummy\"\n[tasks.Reports]\nbackend = \"dummy\"\n";
    let set = [
        ("CALLBOARD__TASKS__DEFAULT__BACKEND", "memory"),
        ("CALLBOARD__TASKS__DEFAULT__QUEUES", "default, mail"),
        ("CALLBOARD__TASKS__DEFAULT__OPTIONS__WORKERS", "3"),
        ("CALLBOARD__TASKS__DEFAULT__OPTIONS__KEEP_FAILED", "1h"),
        ("CALLBOARD__TASKS__REPORTS__BACKEND", "immediate"),
        ("CALLBOARD__TASKS__EXTRA__BACKEND", "memory"),
        ("CALLBOARD__REQUIRED_TASKS", "[\"shop.receipt\"]"),
        ("CALLBOARD_URL", "http://elsewhere"),
    ];
    let settings = read_with(text, &set).unwrap();
    let default = &settings.tasks["default"];
    assert_eq!(default.kind, BackendKind::Memory);
    assert_eq!(default.queues.as_deref().unwrap(), ["default", "mail"]);
    assert_eq!((default.workers, default.keep_failed), (Some(3), Some(Duration::from_secs(3600))));
    assert_eq!(settings.tasks["Reports"].kind, BackendKind::Immediate);
    assert_eq!(settings.tasks["extra"].kind, BackendKind::Memory);
    assert_eq!(settings.required_tasks, ["shop.receipt"]);
}

#[test]
fn a_problem_of_a_variable_names_the_variable() {
    let set = [
        ("CALLBOARD__TASKS__DEFAULT__OPTIONS__WORKERS", "many"),
        ("CALLBOARD__TASKS__DEFAULT__BAKEND", "memory"),
        ("CALLBOARD__REQUIRED_TASKS__0", "a.b"),
        ("CALLBOARD__TASKS__", "x"),
        ("CALLBOARD__SHUTDOWN_GRACE", "[1"),
    ];
    let found = read_with(&format!("required_tasks = []\n{MEMORY}"), &set).unwrap_err();
    let expected = [
        "CALLBOARD__REQUIRED_TASKS__0: cannot be set, because required_tasks is a list, no table",
        "CALLBOARD__SHUTDOWN_GRACE: is \"[1\", which is no TOML list or table",
        "CALLBOARD__TASKS__: is no key; write CALLBOARD__TASKS__DEFAULT__URL for tasks.default.url",
        "CALLBOARD__TASKS__DEFAULT__OPTIONS__WORKERS: tasks.default.options.workers is \"many\"; write a whole number",
        "CALLBOARD__TASKS__DEFAULT__BAKEND: tasks.default.bakend is no setting; did you mean backend?",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn without_a_file_the_settings_say_nothing_and_the_environment_still_counts() {
    assert_eq!(Settings::from_environment(variables(&[("PATH", "/bin")])).unwrap(), Settings::default());
    let grace = Settings::from_environment(variables(&[("CALLBOARD__SHUTDOWN_GRACE", "1s")])).unwrap();
    assert_eq!(grace.shutdown_grace, Some(Duration::from_secs(1)));
    assert!(grace.tasks.is_empty());
}

#[cfg(not(feature = "http"))]
#[test]
fn the_table_of_the_front_end_is_left_to_programs_that_have_one() {
    assert_eq!(good(&format!("{MEMORY}[http]\nbind = \"127.0.0.1:9000\"\n")), good(MEMORY));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Settings::from_file(Path::new("no/such/callboard.toml"), []).unwrap_err();
    assert_eq!(error.to_string(), "the settings file no/such/callboard.toml cannot be read");
}

#[test]
fn a_list_of_problems_says_how_many_there_are() {
    let folder = Folder::new();
    let path = folder.write("callboard.toml", "a = 1\nb = 2\n");
    let text = Settings::from_file(&path, []).unwrap_err().to_string();
    assert!(text.starts_with("the settings have 2 problems:\n  "), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn a_board_starts_with_the_backends_of_its_settings() {
    let settings = good("[tasks.default]\nbackend = \"immediate\"\n[tasks.extra]\nbackend = \"dummy\"\nqueues = []\n");
    let board = futures::executor::block_on(
        callboard_actors::Callboard::builder().memory().tasks([]).settings(settings).start(),
    )
    .unwrap();
    let aliases: Vec<_> = board.backends().iter().map(|backend| backend.alias.clone()).collect();
    assert_eq!(aliases, ["default", "extra"]);
    assert!(!board.backends()[0].queues.allow("mail"));
    assert!(board.backends()[1].queues.allow("mail"));
    assert!(board.dummy("extra").is_some());
}

#[test]
fn a_required_task_that_is_not_registered_keeps_a_board_from_starting() {
    let settings = good(&format!("required_tasks = [\"shop.receipt\"]\n{MEMORY}"));
    let started =
        futures::executor::block_on(callboard_actors::Callboard::builder().tasks([]).settings(settings).start());
    let error = started.unwrap_err().to_string();
    assert!(error.contains("shop.receipt"), "{error}");
}
