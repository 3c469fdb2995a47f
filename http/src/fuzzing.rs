//! What reads the bytes of clients, for fuzzers: each function takes bytes as anybody may send them, and panics if what
//! comes of them breaks a rule.
//!
//! The tests feed them with what is kept in `tests/corpus`, the programs of `fuzz/` with what they invent. It is part of no
//! other build.

use std::sync::LazyLock;

use actix_web::http::Uri;
use actix_web::test::TestRequest;
use callboard_actors::Callboard;
use callboard_tasks::{Timestamp, task, tasks};
use futures::executor::block_on;
use serde_json::Value;

use crate::HttpConfig;
use crate::access::Caller;
use crate::csp::desk::Desk;
use crate::csp::{normalise, parse};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::{cursor, enqueue, list, members};

/// So long an answer that refuses may be, in bytes, whatever was sent.
const REFUSAL: usize = 64 * 1024;
/// So long a text of a violation may be, in bytes.
const TEXT: usize = 4 * 1024;

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a.saturating_add(b)
}

#[task(redact = ["card.number"])]
async fn pay(card: Value, currency: Option<String>, #[default(1)] times: u8, password: String) {
    drop((card, currency, times, password));
}

/// A front end that knows these tasks.
fn state() -> &'static State {
    static STATE: LazyLock<State> = LazyLock::new(|| {
        let board = block_on(Callboard::builder().memory().tasks(tasks![add, pay]).start());
        State::new(&board.expect("a board in memory starts"), HttpConfig::default())
    });
    &STATE
}

/// A body of `POST /enqueue`: a call that can be kept, or a refusal that names what is wrong.
pub fn call(body: &[u8]) {
    let state = state();
    let call = members::text_of(body).and_then(|text| block_on(enqueue::call_of(state, &Caller::Local, text)));
    match call {
        Ok(call) => {
            let args = call.args_json().expect("a call that was taken has arguments");
            let args: Value = serde_json::from_str(args).expect("arguments are JSON");
            assert!(args.is_object(), "arguments have names: {args}");
            if let Err(error) = state.board.prepare(call) {
                check_refusal(&error.into());
            }
        }
        Err(problem) => check_refusal(&problem),
    }
}

/// A cursor of `GET /tasks`: none, or the very one that is written for what it was read as.
pub fn cursor(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    for backend in ["default", "other"] {
        if let Some(id) = cursor::read(backend, text) {
            assert_eq!(cursor::write(backend, id), text);
        }
    }
}

/// A body of `POST /csp/reports`: violations without secrets, each text of them bounded and in one line, or no report.
pub fn csp_reports(body: &[u8]) {
    let mut desk = Desk::default();
    for format in [parse::Format::Old, parse::Format::List, parse::Format::Either] {
        let Ok(parsed) = parse::parse(format, body) else { continue };
        let about = normalise::Circumstances { now: Timestamp::UNIX_EPOCH, user_agent: "", route: &|_| None };
        for violation in parsed.violations.iter().filter_map(|raw| normalise::normalise(raw, &about)) {
            let file = violation.source.as_ref().map(|source| source.file.clone()).unwrap_or_default();
            let blocked = violation.blocked.to_string();
            for address in [&blocked, &violation.page, &file] {
                assert!(!address.contains(['?', '#']), "an address has a query or a fragment: {address:?}");
            }
            for text in [&blocked, &violation.page, &file, &violation.directive, &violation.sample, &violation.policy] {
                assert!(text.len() <= TEXT, "a text has {} bytes", text.len());
                assert!(!text.chars().any(char::is_control), "a text has control characters: {text:?}");
            }
            desk.receive(violation, std::time::Instant::now());
        }
    }
    assert_eq!(desk.summary().recent.iter().map(|shown| shown.count).sum::<u64>(), desk.counts.received);
}

/// A query of `GET /tasks`: a filter and a page that can be asked for again, or a refusal that names the parameter.
pub fn filter(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else { return };
    let Ok(uri) = Uri::try_from(format!("/tasks?{query}")) else { return };
    let read = |uri: Uri| Query::of(&TestRequest::default().uri(&uri.to_string()).to_http_request(), &list::PARAMETERS);
    let query = match read(uri) {
        Ok(query) => query,
        Err(problem) => return check_refusal(&problem),
    };
    let backend = query.get("backend").unwrap_or("default");
    let filter = block_on(list::filter_of(state(), &query)).and_then(|_| list::page_of(&query, backend));
    if let Err(problem) = filter {
        return check_refusal(&problem);
    }
    // The links of a page carry the filter along.
    let again = query.with("cursor", "1");
    let again = read(format!("/tasks{again}").parse().expect("a link is an address")).expect("a link can be followed");
    for name in list::PARAMETERS.into_iter().filter(|name| *name != "cursor") {
        assert_eq!(again.get(name), query.get(name), "{name} changes on the way");
    }
}

/// A refusal is the client's fault, is JSON, says where, and does not grow with what was sent.
fn check_refusal(problem: &Problem) {
    assert!(problem.kind().status().is_client_error(), "{problem}");
    let mut body = Vec::new();
    problem.write(&mut body, Some("request"));
    assert!(body.len() <= REFUSAL, "a refusal has {} bytes", body.len());
    let written: Value = serde_json::from_slice(&body).expect("a problem is JSON");
    assert!(!written["detail"].as_str().unwrap_or_default().is_empty(), "{written}");
    for error in written["errors"].as_array().into_iter().flatten() {
        assert!(error["pointer"].as_str().is_some_and(|pointer| pointer.starts_with('#')), "{written}");
    }
}
