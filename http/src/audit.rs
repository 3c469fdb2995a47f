//! The audit log: each request that would change something, with who asked and how it came out.
//!
//! It is written to the log (target `callboard::audit`), and the latest of this process are kept to be looked at. Requests
//! that enqueue are many, and each leaves a task behind: they are logged at debug level and not kept.

use std::collections::VecDeque;

use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use callboard_tasks::Timestamp;
use parking_lot::Mutex;
use tracing::{debug, info};

use crate::access::Caller;
use crate::request_id::RequestId;

/// So many are kept that were let in,
const DONE: usize = 500;
/// and so many that were not: whoever is refused must not be able to push out what others have done.
const REFUSED: usize = 100;
/// So many characters of a path are kept.
const PATH: usize = 512;

/// A request that would change something, while it is under way.
pub(crate) struct Asked {
    at: Timestamp,
    by: String,
    method: Method,
    path: String,
}

/// A request that would change something, and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it came.
    pub(crate) at: Timestamp,
    /// Who asked: names, and nothing that is secret.
    pub(crate) by: String,
    pub(crate) method: String,
    /// The beginning of its path.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) request_id: String,
}

/// The latest of this process.
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<Kept>);

/// What is kept, the latest last.
#[derive(Debug, Default)]
struct Kept {
    done: VecDeque<Entry>,
    refused: VecDeque<Entry>,
}

impl Asked {
    /// A request of that caller; `None` is one that was not let in.
    pub(crate) fn of(head: &RequestHead, caller: Option<&Caller>, at: Timestamp) -> Self {
        let by = caller.map_or_else(|| "refused".to_owned(), Caller::to_string);
        Self { at, by, method: head.method.clone(), path: head.uri.path().to_owned() }
    }

    fn enqueues(&self) -> bool {
        self.path.ends_with("/enqueue") || self.path.ends_with("/enqueue/batch")
    }
}

impl Audit {
    /// Notes how a request came out.
    pub(crate) fn note(&self, asked: Option<Asked>, status: StatusCode, id: &RequestId) {
        let Some(asked) = asked else { return };
        let Asked { at, by, method, path } = &asked;
        let (request_id, code) = (id.as_str(), status.as_u16());
        // Debug formatting escapes control characters.
        if asked.enqueues() {
            debug!(target: "callboard::audit", request_id, by = by.as_str(), ?method, ?path, status = code, "asked for");
            return;
        }
        info!(target: "callboard::audit", request_id, by = by.as_str(), ?method, ?path, status = code, "asked for");
        let entry = Entry {
            at: *at,
            by: by.clone(),
            method: method.to_string(),
            path: path.chars().take(PATH).collect(),
            status: code,
            request_id: request_id.to_owned(),
        };
        let mut kept = self.0.lock();
        let Kept { done, refused } = &mut *kept;
        match code {
            401 | 403 | 421 | 429 => push(refused, entry, REFUSED),
            _ => push(done, entry, DONE),
        }
    }

    /// What was let in and what was refused, each with the latest first.
    pub(crate) fn latest(&self) -> [Vec<Entry>; 2] {
        let kept = self.0.lock();
        [&kept.done, &kept.refused].map(|entries| entries.iter().rev().cloned().collect())
    }
}

fn push(entries: &mut VecDeque<Entry>, entry: Entry, most: usize) {
    if entries.len() >= most {
        entries.pop_front();
    }
    entries.push_back(entry);
}
