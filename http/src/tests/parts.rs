//! The small pure parts.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use callboard_tasks::{JobId, Timestamp};

use crate::{cursor, links, prefer};

const LONGEST: Duration = Duration::from_secs(30);

fn preferring(values: &[&str]) -> Duration {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HeaderName::from_static("prefer"), HeaderValue::from_str(value).unwrap());
    }
    prefer::wait(&headers, LONGEST)
}

#[test]
fn a_preference_to_wait_is_found_among_others_and_cut() {
    for (values, seconds) in [
        (&["wait=10"][..], 10),
        (&["Wait = 10"], 10),
        (&["wait=\"7\""], 7),
        (&["respond-async", "return=minimal, wait=5;x=1"], 5),
        (&["wait=31"], 30),
        (&["wait=99999999999999999999999"], 30),
        (&["wait=5, wait=9"], 5),
        (&["wait"], 0),
        (&["wait=-1"], 0),
        (&["wait=1.5"], 0),
        (&["waits=4"], 0),
        (&[], 0),
    ] {
        assert_eq!(preferring(values), Duration::from_secs(seconds), "{values:?}");
    }
}

#[test]
fn a_cursor_is_read_back_only_for_its_backend_and_only_whole() {
    let id = JobId::new(Timestamp::UNIX_EPOCH);
    let text = cursor::write("default", id);
    assert_eq!(cursor::read("default", &text), Some(id));
    assert_eq!(cursor::read("other", &text), None);
    for n in 0..text.len() {
        assert_eq!(cursor::read("default", &text[..n]), None);
        let mut changed = text.clone();
        changed.replace_range(n..=n, if &text[n..=n] == "0" { "1" } else { "0" });
        assert_eq!(cursor::read("default", &changed), None, "{changed}");
    }
    for wrong in ["", "1", "é", &text.to_uppercase(), &format!("+{}", &text[1..]), &"f".repeat(10_000)] {
        assert_eq!(cursor::read("default", wrong), None, "{wrong}");
    }
}

#[test]
fn the_prefix_is_what_stands_before_our_own_path() {
    assert_eq!(links::prefix_before("/enqueue", "/enqueue"), "");
    assert_eq!(links::prefix_before("/a/tasks/tasks/1/cancel", "/tasks/"), "/a/tasks");
    assert_eq!(links::prefix_before("/%65nqueue", "/enqueue"), "");
}
