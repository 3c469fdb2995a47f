//! The server against its own OpenAPI document: schemathesis makes requests of it, right and wrong ones, and holds the
//! answers against it. Needs `target/python` (`ci/python.sh`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Folder, Server};

/// A task that was removed is gone, one that has changed meanwhile is not to be changed, and a cursor is made by the
/// server: no fault of either side. Calls of a batch that stand each for themselves are refused in an answer of 200, and
/// have no key together, which no schema tells.
const CONFIG: &str = r#"
hooks = "hooks.py"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 429]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 412, 415, 422, 429]
[checks.missing_required_header]
enabled = false
[[operations]]
include-name = "POST /enqueue/batch"
[operations.checks.negative_data_rejection]
enabled = false
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 410, 412, 429]
[[operations]]
include-name = "GET /tasks"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401]
"#;

/// Two requests with one key are one request; those that are made here are different ones. A queue in which nothing may
/// wait would be full. And JSON Schema takes 1.0 for a whole number, which Rust does not, and numbers of any length.
const HOOKS: &str = r#"
import re
import uuid

import schemathesis


def whole(value):
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if type(value) is int and abs(value) >= 2**63:
        return 0
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if isinstance(case.body, (dict, list)):
        case.body = whole(case.body)
    depth = case.body.get("depth") if isinstance(case.body, dict) else None
    if type(depth) in (int, float) and depth >= 1:
        case.body["depth"] = 1_000_000_000
"#;

/// Everything but the tasks whose arguments have rules of their own, which no schema tells: those of mail.
const SCOPES: &str = r#"["tasks:enqueue:demo.*", "tasks:enqueue:log_message", "tasks:read", "tasks:write", "tasks:debug",
    "queues:write", "metrics:read"]"#;

/// What `CALLBOARD_TEST` says.
fn mode() -> String {
    std::env::var("CALLBOARD_TEST").unwrap_or_default()
}

/// The program; `None` if it is not there and that is no failure. `tests/left_out.rs` looks for the same folder.
fn schemathesis() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/st");
    if program.exists() {
        return Some(program);
    }
    let mode = mode();
    assert!(mode != "all" && mode != "full", "schemathesis needs target/python: run ci/python.sh");
    None
}

#[test]
fn schemathesis_finds_the_server_to_be_as_its_document_says() {
    let Some(program) = schemathesis() else { return };
    let token = format!("tk_00000000_{}", "A".repeat(43));
    let digest: String = callboard::http::Token::digest(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Folder::new();
    folder.write(
        "tokens.toml",
        &format!("[[token]]\nid = \"00000000\"\nname = \"test\"\nsha256 = \"{digest}\"\nscopes = {SCOPES}\n"),
    );
    // Nobody shall wait long for tasks that sleep for years.
    folder.write(
        "callboard.toml",
        "[tasks.default]\nbackend = \"memory\"\n[http]\ntokens_file = \"tokens.toml\"\nlongest_wait = \"100ms\"\n",
    );
    folder.write("schemathesis.toml", CONFIG).write("hooks.py", HOOKS);
    let server = Server::start_in(Arc::new(folder), &["--demo"], &[]);
    let (cases, patience) = if mode() == "full" { (2_000, 7_200) } else { (300, 1_500) };

    let mut command = Command::new(program);
    command
        .args(["run", &format!("{}/openapi.json", server.url)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", &cases.to_string(), "--seed", "7", "--continue-on-failure", "--max-failures", "20"])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--request-timeout", "10"])
        // A stream ends with its task, which may be in a year.
        .args(["--exclude-path", "/tasks/{id}/events"])
        .current_dir(server.folder.path())
        .env("NO_COLOR", "1")
        .env("HOME", server.folder.path())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(server.folder.path().join("report.txt")).unwrap())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > Duration::from_secs(patience) {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let report = std::fs::read_to_string(server.folder.path().join("report.txt")).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?} after {:?}\n{report}", begun.elapsed());
}
