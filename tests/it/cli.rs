//! The verbs of the command line against a real server: what they print, and the code they leave with.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{Folder, Ran, Server, callboard, run};

/// What a verb printed as JSON.
#[track_caller]
fn printed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[track_caller]
fn enqueue(server: &Server, arguments: &[&str]) -> Value {
    let ran = server.cli(&[&["enqueue", "--json"], arguments].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    printed(&ran)
}

fn id(task: &Value) -> &str {
    task["id"].as_str().unwrap()
}

#[test]
fn enqueue_prints_the_accepted_task() {
    let server = Server::start();
    let ran = server.cli(&["enqueue", "demo.add", r#"{"a": 2, "b": 3}"#, "--in", "1h"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let words: Vec<_> = ran.stdout.split_whitespace().collect();
    assert_eq!(words[1..], ["demo.add", "scheduled"], "{ran:?}");
    assert_eq!(server.get(&format!("/tasks/{}", words[0])).json()["task"], "demo.add");
}

#[test]
fn enqueue_sends_every_option() {
    let server = Server::start();
    let task = enqueue(
        &server,
        &[
            "add",
            "[2, 3]",
            "--queue",
            "default",
            "--priority",
            "-7",
            "--max-attempts",
            "3",
            "--backend",
            "default",
            "--tag",
            "a",
            "--tag",
            "b",
            "--at",
            "2100-01-01T00:00:00Z",
        ],
    );
    assert_eq!(task["task"], "demo.add");
    assert_eq!((&task["priority"], &task["max_attempts"], &task["queue"]), (&json!(-7), &json!(3), &json!("default")));
    assert_eq!((&task["tags"], &task["run_after"]), (&json!(["a", "b"]), &json!("2100-01-01T00:00:00.000000Z")));
    assert_eq!(task["phase"], "scheduled");
}

#[test]
fn enqueue_waits_for_the_end_and_leaves_with_what_came_of_it() {
    let server = Server::start();
    let good = server.cli(&["enqueue", "demo.add", "[2, 3]", "--wait"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.contains("demo.add  successful in ") && good.stdout.ends_with(": 5\n"), "{good:?}");
    let bad = server.cli(&["enqueue", "demo.fail", r#"["no luck"]"#, "--max-attempts", "1", "--wait", "20"]);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.stdout.contains("demo.fail  failed in ") && bad.stdout.ends_with(": Error: no luck\n"), "{bad:?}");
    let late = server.cli(&["enqueue", "demo.sleep", "[60000]", "--wait", "0"]);
    assert_eq!(late.code, 1, "{late:?}");
}

#[test]
fn failed_attempts_are_told_while_somebody_waits() {
    let server = Server::start();
    let ran = server.cli(&["enqueue", "demo.flaky", "[1]", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (line, rest) = ran.stderr.split_once('\n').unwrap();
    let start = "attempt 1 of 12 failed: Error: attempt 1 of 1 that fail; next ";
    assert!(line.starts_with(start) && line.ends_with("; Ctrl-C leaves it running"), "{ran:?}");
    assert_eq!(rest, "", "it is told once");
    assert!(ran.stdout.ends_with(": 2\n"), "{ran:?}");
    let task = enqueue(&server, &["demo.panic"]);
    let late = server.cli(&["wait", id(&task), "--timeout", "1s"]);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stderr.starts_with("attempt 1 of 12 failed: Panic: demo.panic was asked to"), "{late:?}");
    let single = server.cli(&["enqueue", "demo.fail", r#"["no luck"]"#, "--max-attempts", "1", "--wait"]);
    assert_eq!(single.stderr, "", "the end is told in the output");
}

#[test]
fn a_failed_task_is_run_again_and_an_unfinished_one_is_not() {
    let server = Server::start();
    let failed = printed(&server.cli(&["enqueue", "demo.flaky", "[1]", "--max-attempts", "1", "--wait", "--json"]));
    assert_eq!(failed["phase"], "failed");
    let again = server.cli(&["retry", id(&failed)]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.starts_with(&format!("{}  demo.flaky  ", id(&failed))), "{again:?}");
    assert!(again.stdout.contains("after 1 of "), "{again:?}");
    assert_eq!(server.until_finished(id(&failed))["return_value"], 2);
    assert_eq!(printed(&server.cli(&["retry", id(&failed), "--json"]))["id"], failed["id"]);
    let waiting = enqueue(&server, &["demo.echo", "[1]", "--in", "1h"]);
    let refused = server.cli(&["retry", id(&waiting)]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("(invalid-transition)"), "{refused:?}");
}

#[test]
fn tasks_lists_what_can_be_enqueued_and_with_what() {
    let server = Server::start();
    let ran = server.cli(&["tasks"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["TASK", "PARAMETERS", "DESCRIPTION"]);
    let add: Vec<_> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(add, ["demo.add", "a: i64, b: i64", "Adds two whole numbers."]);
    // The demo tasks, log_message, the two that send mail and the one that takes what comes back; no line is longer than a wide terminal.
    assert_eq!(lines.len(), 12, "{ran:?}");
    assert!(lines.iter().all(|line| line.chars().count() < 180), "{ran:?}");
    let json = printed(&server.cli(&["tasks", "--json"]));
    assert_eq!(json["items"][0]["name"], "demo.add");
}

#[test]
fn a_mistake_is_told_once() {
    let server = Server::start();
    let ran = server.cli(&["enqueue", "demo.add", "[1, 2]", "--queue", "nowhere"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.stderr.matches("nowhere").count(), 1, "{ran:?}");
    assert!(ran.stderr.contains("queue") && ran.stderr.contains("(queue-not-allowed)"), "{ran:?}");
}

#[test]
fn arguments_keep_every_digit_on_their_way() {
    let server = Server::start();
    let task = enqueue(&server, &["demo.add", "[9223372036854775806, 1]", "--wait"]);
    assert_eq!(task["return_value"], i64::MAX);
}

#[test]
fn arguments_can_come_from_the_standard_input() {
    let server = Server::start();
    let folder = Folder::new();
    folder.write("args.json", r#"{"value": "from a file"}"#);
    let mut command =
        callboard(&folder, &["enqueue", "demo.echo", "-", "--wait", "--json"], &[("CALLBOARD_URL", &server.url)]);
    command.stdin(std::fs::File::open(folder.path().join("args.json")).unwrap());
    assert_eq!(printed(&run(command))["return_value"], "from a file");
}

#[test]
fn wrong_arguments_are_pointed_at_and_likely_names_suggested() {
    let server = Server::start();
    let missing = server.cli(&["enqueue", "demo.add", r#"{"a": 1, "c": 3}"#]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""), "{missing:?}");
    assert!(missing.stderr.contains("(validation-failed)"), "{missing:?}");
    assert!(missing.stderr.contains("\n  #/args/b is missing"), "{missing:?}");
    assert!(missing.stderr.contains("\n  #/args/c is not a parameter"), "{missing:?}");
    let unknown = server.cli(&["enqueue", "demo.ad"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean") && unknown.stderr.contains("demo.add"), "{unknown:?}");
}

#[test]
fn a_problem_is_printed_as_json_where_json_was_asked_for() {
    let server = Server::start();
    let ran = server.cli(&["enqueue", "demo.ad", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(printed(&ran)["type"], "/problems/unknown-task");
    assert!(ran.stderr.contains("(unknown-task)"), "{ran:?}");
}

#[test]
fn ls_shows_a_table_of_the_tasks_that_fit_newest_first() {
    let server = Server::start();
    enqueue(&server, &["demo.add", "[2, 3]", "--wait"]);
    enqueue(&server, &["demo.echo", "[1]", "--in", "1h", "--tag", "later"]);
    let all = server.cli(&["ls"]);
    let lines: Vec<Vec<&str>> = all.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((all.code, lines.len()), (0, 3), "{all:?}");
    assert_eq!(lines[0][..3], ["ID", "TASK", "PHASE"]);
    assert_eq!(lines[1][1..5], ["demo.echo", "scheduled", "default", "0/12"]);
    assert_eq!((&lines[2][1..5], *lines[2].last().unwrap()), (&["demo.add", "successful", "default", "1/12"][..], "5"));
    for filter in [
        &["--status", "ready"][..],
        &["--phase", "scheduled"],
        &["--task", "demo.echo"],
        &["--tag", "later"],
        &["--limit", "1"],
    ] {
        let some = printed(&server.cli(&[&["ls", "--json"], filter].concat()));
        assert_eq!(some["items"].as_array().unwrap().len(), 1, "{filter:?}");
        assert_eq!(some["items"][0]["task"], "demo.echo", "{filter:?}");
    }
    assert_eq!(server.cli(&["ls", "--queue", "empty"]).stdout, "no tasks\n");
}

#[test]
fn ls_goes_on_where_it_ended() {
    let server = Server::start();
    for n in 0..3 {
        enqueue(&server, &["demo.echo", &format!("[{n}]"), "--in", "1h"]);
    }
    let first = server.cli(&["ls", "--limit", "2"]);
    let cursor = first.stdout.lines().last().unwrap().strip_prefix("more with --cursor ").unwrap();
    let rest = printed(&server.cli(&["ls", "--limit", "2", "--cursor", cursor, "--json"]));
    assert_eq!((&rest["items"][0]["args"], &rest["next"]), (&json!({"value": 0}), &Value::Null));
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[test]
fn show_tells_all_about_a_task_and_keeps_its_control_characters_from_the_terminal() {
    let server = Server::start();
    let ran = server.cli(&[
        "enqueue",
        "demo.fail",
        r#"["red \u001b[31m\nalert"]"#,
        "--max-attempts",
        "1",
        "--wait",
        "--json",
    ]);
    let task = printed(&ran);
    let page = server.cli(&["show", id(&task)]);
    assert_eq!(page.code, 0, "{page:?}");
    for expected in [
        &format!("demo.fail  {}\n", id(&task)),
        "phase      failed (FAILED)",
        "attempts   1 of 1",
        "queue      default of backend default, priority 0",
        "Error: red \\u{1b}[31m\n    alert",
    ] {
        assert!(page.stdout.contains(expected), "{expected:?} is not in {}", page.stdout);
    }
    assert!(!page.stdout.contains('\u{1b}'), "{page:?}");
    let mut with_logs = task.clone();
    with_logs["logs"] = json!([]);
    assert_eq!(printed(&server.cli(&["show", id(&task), "--json"])), with_logs);
}

#[test]
fn wait_leaves_with_0_for_a_success_and_with_1_for_anything_else() {
    let server = Server::start();
    let quick = enqueue(&server, &["demo.sleep", "[200]"]);
    let good = server.cli(&["wait", id(&quick)]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.contains("successful"), "{good:?}");
    let slow = enqueue(&server, &["demo.sleep", "[60000]"]);
    server.until_phase(id(&slow), "running");
    let late = server.cli(&["wait", id(&slow), "--timeout", "300ms"]);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stdout.contains("running"), "{late:?}");
}

#[test]
fn cancel_ends_a_waiting_task_asks_a_running_one_and_refuses_a_finished_one() {
    let server = Server::start();
    let waiting = enqueue(&server, &["demo.echo", "[1]", "--in", "1h"]);
    let ended = server.cli(&["cancel", id(&waiting)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("cancelled"), "{ended:?}");
    let running = enqueue(&server, &["demo.sleep", "[60000]"]);
    server.until_phase(id(&running), "running");
    assert_eq!(server.cli(&["cancel", id(&running)]).code, 0);
    assert_eq!(server.until_finished(id(&running))["phase"], "cancelled");
    let again = server.cli(&["cancel", id(&running)]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("(invalid-transition)"), "{again:?}");
}

#[test]
fn a_task_that_nobody_knows_is_not_found() {
    let server = Server::start();
    for verb in ["show", "wait", "cancel", "retry"] {
        let ran = server.cli(&[verb, "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("(not-found)"), "{ran:?}");
    }
}

#[test]
fn where_no_server_answers_the_way_to_one_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let ran = run(callboard(&Folder::new(), &["ls", "--url", &url], &[]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.starts_with(&format!("error: no server answers at {url}; start one with `callboard`")),
        "{ran:?}"
    );
}

#[test]
fn what_answers_without_being_a_callboard_is_said_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0; 4096]).unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").unwrap();
    });
    let ran = run(callboard(&Folder::new(), &["ls", "--url", &url], &[]));
    page.join().unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("does not answer like a callboard server"), "{ran:?}");
}

#[test]
fn wrong_usage_leaves_with_2_before_any_server_is_asked() {
    for (arguments, expected) in [
        (&["show", "12"][..], "is not a task id"),
        (&["ls", "--status", "done"], "the statuses are READY, RUNNING, SUCCESSFUL, FAILED"),
        (&["ls", "--limit", "0"], "1..=200"),
        (&["enqueue", "demo.add", "{a: 1}"], "is not JSON"),
        (&["enqueue", "demo.add", "5"], "is neither an object nor an array"),
        (&["enqueue", "demo.add", "--in", "5"], "is a duration without a unit"),
        (&["enqueue", "demo.add", "--in", "5m", "--at", "2100-01-01T00:00:00Z"], "cannot be used with"),
        (&["ls", "--url", "ftp://x"], "it starts with http:// or https://"),
        (&["--bind", "8000"], "is no address with a port"),
        (&["sevre"], "serve"),
    ] {
        let ran = run(callboard(&Folder::new(), arguments, &[]));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{arguments:?}: {expected:?} is not in {}", ran.stderr);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let version = run(callboard(&Folder::new(), &["--version"], &[]));
    assert_eq!((version.code, version.stdout.as_str()), (0, concat!("callboard ", env!("CARGO_PKG_VERSION"), "\n")));
    let help = run(callboard(&Folder::new(), &["help", "enqueue"], &[]));
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("[ARGS-JSON]"), "{help:?}");
}

#[test]
fn a_created_token_opens_the_server_that_names_its_file() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\n[http]\ntokens_file = \"tokens.toml\"\n");
    let create = |arguments: &[&str]| {
        let ran = run(callboard(&folder, &[&["token", "create"], arguments].concat(), &[]));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.starts_with("added to tokens.toml;"), "{ran:?}");
        ran.stdout.trim_end().to_owned()
    };
    let shop = create(&["the \"shop\"", "--scope", "tasks:enqueue:demo.add", "--expires", "1d"]);
    let admin = create(&["me", "--scope", "admin", "--scope", "tasks:debug"]);
    assert_ne!(shop, admin);
    let file = std::fs::read_to_string(folder.path().join("tokens.toml")).unwrap();
    assert!(!file.contains(&shop[12..]) && !file.contains(&admin[12..]), "a secret stands in {file}");
    let server = Server::start_in(Arc::new(folder), &["--demo"], &[]);
    let enqueue = |token: &str, task: &str| server.cli(&["enqueue", task, "[1, 2]", "--token", token]);
    assert_eq!(enqueue(&shop, "demo.add").code, 0);
    let narrow = enqueue(&shop, "log_message");
    assert!(narrow.stderr.contains("(insufficient-scope)"), "{narrow:?}");
    assert!(!narrow.stderr.contains("give a token"), "one was given: {narrow:?}");
    assert!(enqueue("tk_00000000_wrong", "demo.add").stderr.contains("(unauthorized)"));
    assert_eq!(server.cli(&["ls", "--token", &admin]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_file_of_tokens_is_made_for_its_owner_alone_and_one_that_others_may_read_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let create = || run(callboard(&folder, &["token", "create", "me", "--scope", "admin"], &[]));
    assert_eq!(create().code, 0);
    let path = folder.path().join("tokens.toml");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let before = std::fs::read_to_string(&path).unwrap();
    let ran = create();
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("chmod 600 tokens.toml"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn a_token_without_a_scope_or_with_an_unknown_one_is_not_created() {
    for scope in [&[][..], &["--scope", "tasks:reed"]] {
        let folder = Folder::new();
        let ran = run(callboard(&folder, &[&["token", "create", "me"], scope].concat(), &[]));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(!folder.path().join("tokens.toml").exists());
    }
}

#[test]
fn queues_are_listed_paused_limited_and_resumed() {
    let server = Server::start();
    let row = |ran: &Ran| ran.stdout.lines().find(|line| line.starts_with("default")).unwrap_or_default().to_owned();
    let paused = server.cli(&["queue", "pause", "default"]);
    assert!(paused.code == 0 && row(&paused).contains("paused"), "{paused:?}");
    let task = enqueue(&server, &["demo.echo", r#"{"value": 1}"#]);
    let limited = server.cli(&["queue", "limit", "default", "--concurrency", "1", "--rate", "100/1m"]);
    assert!(limited.code == 0 && row(&limited).contains("concurrency 1, rate 100/1m"), "{limited:?}");
    let why = server.cli(&["why", id(&task)]);
    assert!(why.code == 0 && why.stdout.contains("queue_paused"), "{why:?}");
    let free = server.cli(&["queue", "limit", "default", "--concurrency", "none", "--json"]);
    assert_eq!(printed(&free)["limits"]["concurrency"], Value::Null, "{free:?}");
    let resumed = server.cli(&["queue", "resume", "default"]);
    assert!(resumed.code == 0 && !row(&resumed).contains("paused"), "{resumed:?}");
    assert_eq!(server.cli(&["wait", id(&task), "--timeout", "10"]).code, 0);
    let list = server.cli(&["queue", "ls"]);
    assert!(row(&list).contains("rate 100/1m"), "{list:?}");
    for wrong in [&["--rate", "10/banana"][..], &["--concurrency", "0"], &[]] {
        let ran = server.cli(&[&["queue", "limit", "default"], wrong].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}

#[test]
fn a_process_is_listed_with_what_it_runs() {
    let server = Server::start();
    let task = enqueue(&server, &["demo.sleep", r#"{"ms": 60000}"#]);
    server.until_phase(id(&task), "running");
    let workers = server.cli(&["workers"]);
    assert!(workers.code == 0 && workers.stdout.contains(id(&task)), "{workers:?}");
    assert!(workers.stdout.contains("this server"), "{workers:?}");
}

#[test]
fn a_finished_task_is_removed() {
    let server = Server::start();
    let task = enqueue(&server, &["demo.echo", r#"{"value": 1}"#, "--wait"]);
    let removed = server.cli(&["rm", id(&task)]);
    assert!(removed.code == 0 && removed.stdout.contains("removed"), "{removed:?}");
    assert_eq!(server.cli(&["show", id(&task)]).code, 1);
    let again = server.cli(&["rm", id(&task)]);
    assert_eq!(again.code, 1, "{again:?}");
}

/// Enqueues calls that fail at once; their ids.
fn failed(server: &Server, count: usize, more: &[&str]) -> Vec<String> {
    let arguments =
        [&["enqueue", "demo.fail", r#"["no luck"]"#, "--max-attempts", "1", "--wait", "--json"], more].concat();
    (0..count).map(|_| id(&printed(&server.cli(&arguments))).to_owned()).collect()
}

#[test]
fn redrive_runs_failed_tasks_again_and_tells_how_many() {
    let server = Server::start();
    let ids = failed(&server, 3, &[]);
    let tagged = failed(&server, 1, &["--tag", "late"]);
    let cancelled = enqueue(&server, &["demo.echo", "[1]", "--in", "1h"]);
    assert_eq!(server.cli(&["cancel", id(&cancelled)]).code, 0);

    let counted = server.cli(&["redrive", "--dry-run"]);
    assert_eq!((counted.code, counted.stdout.as_str()), (0, "4 tasks would run again\n"), "{counted:?}");
    let counted = printed(&server.cli(&["redrive", "--tag", "late", "--dry-run", "--json"]));
    assert_eq!(counted, json!({"action": "retry", "matched": 1, "complete": true}));
    let asked = server.cli(&["redrive", "--tag", "late"]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert!(asked.stderr.contains("1 task will run again, and nobody is there to be asked; say --yes"), "{asked:?}");

    let done = server.cli(&["redrive", "--tag", "late", "--yes", "--wait"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "1 of 1 run again\n"), "{done:?}");
    assert_eq!(server.until_finished(&tagged[0])["attempts"], 2);
    let begun = server.cli(&["redrive", "--task", "demo.fail", "--queue", "default", "--yes"]);
    assert_eq!(begun.code, 0, "{begun:?}");
    let words: Vec<_> = begun.stdout.split_whitespace().collect();
    assert_eq!(words[1], "callboard.bulk", "{begun:?}");
    let report = server.until_finished(words[0]);
    assert_eq!(report["return_value"], json!({"matched": 4, "done": 4, "skipped": {}}));
    for id in &ids {
        assert_eq!(server.until_finished(id)["attempts"], 2);
    }
    let task = server.cli(&["show", words[0]]);
    assert!(task.stdout.contains("progress") && task.stdout.contains("4 of 4"), "{task:?}");
    assert_eq!(server.get(&format!("/tasks/{}", id(&cancelled))).json()["phase"], "cancelled");

    let refused = server.cli(&["redrive", "--status", "RUNNING", "--yes"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("give SUCCESSFUL or FAILED"), "{refused:?}");
}

#[test]
fn many_tasks_are_cancelled_and_removed_by_their_conditions() {
    let server = Server::start();
    let gone = failed(&server, 2, &[]);
    let waiting = enqueue(&server, &["demo.echo", "[1]", "--in", "1h", "--tag", "a"]);
    let cancelled = server.cli(&["cancel", "--tag", "a", "--yes", "--wait", "20"]);
    assert_eq!(
        (cancelled.code, cancelled.stdout.as_str()),
        (0, "1 of 1 cancelled or asked to stop\n"),
        "{cancelled:?}"
    );
    assert_eq!(server.get(&format!("/tasks/{}", id(&waiting))).json()["phase"], "cancelled");
    let removed = server.cli(&["rm", "--phase", "failed", "--yes", "--wait"]);
    assert_eq!((removed.code, removed.stdout.as_str()), (0, "2 of 2 removed\n"), "{removed:?}");
    for id in gone {
        assert!([404, 410].contains(&server.get(&format!("/tasks/{id}")).status));
    }
    let all = server.cli(&["rm", "--all", "--dry-run"]);
    assert_eq!((all.code, all.stdout.as_str()), (0, "1 task would be removed\n"), "{all:?}");
    for (arguments, says) in [
        (vec!["rm"], "give the id of a task, or conditions"),
        (vec!["rm", id(&waiting), "--all"], "not both"),
        (vec!["cancel", id(&waiting), "--yes"], "not both"),
        (vec!["rm", "--yes"], "or --all if every task is meant"),
        (vec!["rm", "--backend", "default", "--yes"], "or --all if every task is meant"),
    ] {
        let wrong = server.cli(&arguments);
        assert_eq!(wrong.code, 2, "{wrong:?}");
        assert!(wrong.stderr.contains(says), "{wrong:?}");
    }
}
