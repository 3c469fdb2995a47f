//! Settings as the binary reads them: all mistakes at once, the environment over the file.

use std::sync::Arc;

use serde_json::json;

use crate::support::{Folder, Server, callboard, run};

const MISTAKES: &str = "\
[tasks.default]
backend = \"memori\"
[tasks.default.options]
lease = \"3\"
[htpp]
bind = \"127.0.0.1:0\"
";

const EXPECTED: [&str; 3] = [
    "callboard.toml:2: tasks.default.backend is \"memori\"; did you mean \"memory\"?",
    "callboard.toml:4: tasks.default.options.lease \"3\" is a duration without a unit; write \"3s\"",
    "callboard.toml:5: htpp is no setting; did you mean http?",
];

#[test]
fn a_server_with_three_mistakes_in_its_settings_names_all_three_and_does_not_start() {
    let folder = Folder::new();
    folder.write("callboard.toml", MISTAKES);
    let ran = run(callboard(&folder, &[], &[]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("the settings have 3 problems:"), "{}", ran.stderr);
    for expected in EXPECTED {
        assert!(ran.stderr.contains(expected), "{expected}\nis not in\n{}", ran.stderr);
    }
}

#[test]
fn check_names_the_same_mistakes_for_people_and_for_programs() {
    let folder = Folder::new();
    folder.write("callboard.toml", MISTAKES);
    let ran = run(callboard(&folder, &["check"], &[]));
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 3), "{ran:?}");
    for (line, expected) in ran.stdout.lines().zip(EXPECTED) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
    let json = run(callboard(&folder, &["check", "--json"], &[]));
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &report["ok"]), (1, &json!(false)));
    assert_eq!(report["problems"][1]["key"], "tasks.default.options.lease");
    assert_eq!(report["problems"][1]["place"], "callboard.toml:4");
}

#[test]
fn check_finds_good_settings_good_and_names_their_file() {
    let folder = Folder::new();
    folder.write("good.toml", "[tasks.default]\nbackend = \"memory\"\n");
    let ran = run(callboard(&folder, &["check", "--config", "good.toml"], &[]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "the settings in good.toml are in order\n"), "{ran:?}");
}

#[test]
fn check_finds_a_door_that_stands_open() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\n[http]\nbind = \"0.0.0.0:8000\"\n");
    let ran = run(callboard(&folder, &["check"], &[]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("http.bind") && ran.stdout.contains("tokens_file"), "{}", ran.stdout);
}

#[test]
fn a_file_about_the_front_end_alone_keeps_the_backend_of_the_program() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[http]\nhosts = [\"tasks.example.com\"]\n");
    let server = Server::start_in(Arc::new(folder), &["--demo"], &[]);
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2]}));
    assert_eq!(server.until_finished(&id)["return_value"], 3);
}

#[test]
fn a_variable_with_one_underscore_too_few_keeps_a_server_from_starting() {
    let ran = run(callboard(&Folder::new(), &[], &[("CALLBOARD_TASKS__DEFAULT__BACKEND", "memory")]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("write CALLBOARD__TASKS__DEFAULT__BACKEND"), "{}", ran.stderr);
}

#[test]
fn a_named_file_that_is_not_there_is_an_error() {
    for verb in [&["--config", "nowhere.toml"][..], &["check", "--config", "nowhere.toml"]] {
        let ran = run(callboard(&Folder::new(), verb, &[]));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("error: the settings file nowhere.toml cannot be read"), "{}", ran.stderr);
        assert!(ran.stderr.contains("because: "), "{}", ran.stderr);
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\nqueues = [\"default\"]\n");
    let mail = json!({"task": "demo.add", "args": [1, 2], "queue": "mail"});
    let folder = Arc::new(folder);
    let file = Server::start_in(Arc::clone(&folder), &["--demo"], &[]);
    assert_eq!(file.post("/enqueue", &mail).json()["type"], "/problems/queue-not-allowed");
    let over = Server::start_in(folder, &["--demo"], &[("CALLBOARD__TASKS__DEFAULT__QUEUES", "default,mail")]);
    assert_eq!(over.post("/enqueue", &mail).status, 202);
}

#[test]
fn the_environment_alone_names_the_address() {
    let folder = Folder::new();
    let ran = run(callboard(&folder, &[], &[("CALLBOARD__HTTP__BIND", "nonsense")]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("CALLBOARD__HTTP__BIND: http.bind \"nonsense\" is no address"), "{}", ran.stderr);
}

#[test]
fn a_board_without_a_required_task_does_not_start() {
    let folder = Folder::new();
    folder.write("callboard.toml", "required_tasks = [\"shop.receipt\"]\n[tasks.default]\nbackend = \"memory\"\n");
    let ran = run(callboard(&folder, &["--bind", "127.0.0.1:0"], &[]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("shop.receipt"), "{}", ran.stderr);
}
