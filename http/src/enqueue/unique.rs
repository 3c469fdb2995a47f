//! What keeps a call from being enqueued twice: the member `unique`, and the header `Idempotency-Key`.

use std::collections::HashSet;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use callboard_tasks::{Idempotency, OnConflict, Unique, UniqueUntil, parse_duration};
use parking_lot::Mutex;

use super::read;
use crate::access::Caller;
use crate::members::{Members, Wrong, members, shown};
use crate::problem::{Kind, Problem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key of a client, in characters.
const LONGEST: usize = 255;

members! {
    /// A member of `unique`.
    Member {
        Key "key",
        Until "until",
        For "for",
        OnConflict "on_conflict",
    }
}

/// The member `unique` of a call.
pub(super) fn unique(json: &str) -> Result<Unique, Wrong> {
    if !json.starts_with('{') {
        return Err(format!("is {}; give an object, {{}} for the arguments as key", shown(json)).into());
    }
    let mut members = Members::of(json).map_err(|problem| Wrong::from(problem.detail().to_owned()))?;
    let key = members.read(Member::Key, read::text).map(std::borrow::Cow::into_owned);
    let until = members.read(Member::Until, |json| match &*read::text(json)? {
        "started" => Ok(UniqueUntil::Started),
        "finished" => Ok(UniqueUntil::Finished),
        other => Err(format!("is {:?}; there are started and finished", shown(other)).into()),
    });
    let window = members.read(Member::For, |json| parse_duration(&read::text(json)?).map_err(Into::into));
    let on_conflict = members.read(Member::OnConflict, |json| match &*read::text(json)? {
        "return" => Ok(OnConflict::Return),
        "reject" => Ok(OnConflict::Reject),
        "replace" => Ok(OnConflict::Replace),
        other => Err(format!("is {:?}; there are return, reject and replace", shown(other)).into()),
    });
    // One mistake at a time: they stand within one member.
    if let Some(mistake) = members.mistakes().into_iter().next() {
        return Err(Wrong { below: mistake.pointer[1..].to_owned(), detail: mistake.detail });
    }
    let (until, on_conflict) = (until.unwrap_or_default(), on_conflict.unwrap_or_default());
    Ok(Unique { key, until, window, on_conflict })
}

/// The key of a request that may come twice, with what makes it the same one. The key belongs to whoever sends it: others
/// may have the same one.
pub(super) fn idempotency(
    req: &HttpRequest,
    caller: &Caller,
    request: &[&[u8]],
) -> Result<Option<Idempotency>, Problem> {
    let mut values = req.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || Problem::parameter("Idempotency-Key", "must be 1 to 255 visible characters of ASCII, once");
    let key = value.to_str().ok().map(str::trim).ok_or_else(wrong)?;
    let fit = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if !fit || values.next().is_some() {
        return Err(wrong());
    }
    let owner = match caller {
        Caller::Token(token) => token.id.as_str(),
        Caller::Local | Caller::Application | Caller::Anybody => "-",
    };
    let key = format!("http {owner} {key}");
    Ok(Some(match request {
        [body] => Idempotency::new(key, body),
        parts => Idempotency::new(key, &parts.concat()),
    }))
}

/// Calls that stand each for themselves are no request together.
pub(super) fn refuse(req: &HttpRequest) -> Result<(), Problem> {
    match req.headers().contains_key(IDEMPOTENCY_KEY) {
        true => Err(Problem::parameter(
            "Idempotency-Key",
            "belongs to batches that are kept as a whole; leave out `atomic`, or give each call `unique`",
        )),
        false => Ok(()),
    }
}

/// The keys of requests that this process has begun to answer and not yet kept.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashSet<String>>);

/// One request that is under way; it is over once this is dropped.
#[derive(Debug)]
pub(crate) struct Going<'a> {
    all: &'a UnderWay,
    key: Option<String>,
}

impl UnderWay {
    /// Begins to answer a request, if it has a key. While that goes on, another one of that key is refused: who sends it
    /// again later gets the answer.
    pub(crate) fn begin(&self, request: Option<&Idempotency>) -> Result<Going<'_>, Problem> {
        let key = request.map(|request| request.key.clone());
        if let Some(key) = &key
            && !self.0.lock().insert(key.clone())
        {
            let detail = "the first request with this Idempotency-Key is under way; send it again in a moment";
            let soon = (header::RETRY_AFTER, HeaderValue::from_static("1"));
            return Err(Problem::new(Kind::IdempotencyInProgress, detail).header(soon.0, soon.1));
        }
        Ok(Going { all: self, key })
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.all.0.lock().remove(key);
        }
    }
}
