//! Schedules of a settings file, through the server and the command line; what is wrong with them keeps it from starting.

use std::sync::Arc;

use serde_json::Value;

use crate::support::{Folder, Server, callboard, run, wait_until};

const SETTINGS: &str = r#"
[tasks.default]
backend = "memory"

[[schedules]]
name = "often"
cron = "* * * * * *"
task = "demo.echo"
args = { value = "tick" }

[[schedules]]
name = "new-year"
cron = "0 0 1 1 *"
timezone = "Europe/Berlin"
task = "demo.add"
args = [2, 3]
"#;

fn server() -> Server {
    let folder = Arc::new(Folder::new());
    folder.write("callboard.toml", SETTINGS);
    Server::start_in(folder, &["--demo"], &[])
}

#[test]
fn a_schedule_of_the_settings_fires_again_and_again() {
    let server = server();
    let jobs = wait_until("three ticks have run", || {
        let list = server.get("/tasks?tag=schedule:often&status=SUCCESSFUL").json();
        let jobs = list["items"].as_array().unwrap().clone();
        (jobs.len() >= 3).then_some(jobs)
    });
    let mut ticks: Vec<&Value> = jobs.iter().map(|job| &job["metadata"]["schedule"]["tick"]).collect();
    ticks.dedup();
    assert_eq!(ticks.len(), jobs.len(), "each tick has one job: {ticks:?}");
    assert!(server.get("/readyz").json()["checks"]["schedules:default"]["status"] == "ok");
}

#[test]
fn the_command_line_shows_runs_pauses_and_resumes_schedules() {
    let server = server();
    let list = server.cli(&["cron", "ls"]);
    assert_eq!(list.code, 0, "{list:?}");
    let row = list.stdout.lines().find(|line| line.starts_with("new-year")).unwrap();
    let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[..6], ["new-year", "0 0 1 1 *", "Europe/Berlin", "demo.add", "default", "never"], "{row}");
    assert!(cells[6].starts_with("in ") && cells[6].ends_with("-12-31T23:00:00Z)"), "{row}");

    let next = server.cli(&["cron", "next", "new-year"]);
    assert_eq!(next.code, 0, "{next:?}");
    let lines: Vec<_> = next.stdout.lines().collect();
    assert!(lines[0].starts_with("new-year  ") && lines[0].ends_with("(Europe/Berlin)"), "{next:?}");
    assert_eq!(lines.len(), 6, "{next:?}");
    assert!(lines[1..].iter().all(|line| line.contains("-12-31T23:00:00Z")), "{next:?}");
    let json: Value = serde_json::from_str(&server.cli(&["cron", "next", "new-year", "--json"]).stdout).unwrap();
    assert_eq!((json["name"].as_str(), json["next"].as_array().unwrap().len()), (Some("new-year"), 5));
    let unknown = server.cli(&["cron", "next", "old-year"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");

    let ran = server.cli(&["cron", "run", "new-year"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = ran.stdout.split_whitespace().next().unwrap();
    assert_eq!(server.until_finished(id)["return_value"], 5);

    let paused = server.cli(&["cron", "pause", "often"]);
    assert_eq!((paused.code, paused.stdout.as_str()), (0, "often  paused\n"), "{paused:?}");
    let row = server.cli(&["cron", "ls"]).stdout;
    assert!(row.lines().any(|line| line.starts_with("often") && line.ends_with("paused")), "{row}");
    let resumed = server.cli(&["cron", "resume", "often"]);
    assert!(resumed.code == 0 && resumed.stdout.starts_with("often  "), "{resumed:?}");
    let refused = server.cli(&["cron", "pause", "seldom"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("there is no schedule \"seldom\""), "{refused:?}");
}

#[test]
fn a_server_with_a_wrong_schedule_does_not_start_and_says_why() {
    let folder = Folder::new();
    folder.write("callboard.toml", &SETTINGS.replace("\"0 0 1 1 *\"", "\"0 0 30 2 *\""));
    let ran = run(callboard(&folder, &["serve", "--demo"], &[]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("schedules[1].cron \"0 0 30 2 *\" never fires"), "{ran:?}");

    folder.write("callboard.toml", &SETTINGS.replace("demo.echo", "demo.ecko"));
    let ran = run(callboard(&folder, &["serve", "--demo", "--bind", "127.0.0.1:0"], &[]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("the schedule \"often\" is refused: task is not known"), "{ran:?}");
    assert!(ran.stderr.contains("did you mean \"demo.echo\"?"), "{ran:?}");
}

/// The ticks that have a job, as whole seconds, oldest first.
fn ticks(server: &Server) -> Vec<i64> {
    let list = server.get("/tasks?tag=schedule:often&limit=200").json();
    let tick = |job: &Value| {
        let tick: callboard::Timestamp = job["metadata"]["schedule"]["tick"].as_str().unwrap().parse().unwrap();
        tick.as_second()
    };
    let mut ticks: Vec<i64> = list["items"].as_array().unwrap().iter().map(tick).collect();
    ticks.sort_unstable();
    ticks
}

/// Two servers share the store of these settings; one is killed; a third comes later.
fn each_tick_is_fired_once(settings: &str) {
    let folder = Arc::new(Folder::new());
    folder.write("callboard.toml", settings);
    let mut first = Server::start_in(Arc::clone(&folder), &["--demo"], &[]);
    let second = Server::start_in(Arc::clone(&folder), &["--demo"], &[]);
    wait_until("both have fired for a while", || (ticks(&second).len() >= 3).then_some(()));
    first.signal("KILL");
    first.wait();
    let before = ticks(&second).len();
    wait_until("the other one goes on", || (ticks(&second).len() >= before + 6).then_some(()));
    let ticks = ticks(&second);
    let expected: Vec<i64> = (ticks[0]..).take(ticks.len()).collect();
    assert_eq!(ticks, expected, "a tick is double, or missing");

    // A pause belongs to the store: whoever starts later finds it.
    assert_eq!(second.cli(&["cron", "pause", "often"]).code, 0);
    drop(second);
    let third = Server::start_in(folder, &["--demo"], &[]);
    let row = third.cli(&["cron", "ls"]).stdout;
    assert!(row.lines().any(|line| line.starts_with("often") && line.ends_with("paused")), "{row}");
}

#[test]
fn two_servers_with_one_file_fire_each_tick_once_also_when_one_is_killed() {
    each_tick_is_fired_once(&SETTINGS.replace("\"memory\"", "\"sqlite\""));
}

#[test]
fn two_servers_with_one_postgres_database_fire_each_tick_once_also_when_one_is_killed() {
    let options = crate::stores::postgres_options();
    let backend = format!("backend = \"postgres\"\nurl = \"{}\"\nschema = \"{}\"", options.url, options.schema);
    each_tick_is_fired_once(&SETTINGS.replace("backend = \"memory\"", &backend));
    crate::stores::run_sql(&options.url, &format!("DROP SCHEMA {} CASCADE", options.schema));
}
