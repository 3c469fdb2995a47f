//! What keeps a call from being enqueued twice: the member `unique`, and the header `Idempotency-Key`.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use callboard_tasks::{Idempotency, OnConflict, Unique, UniqueUntil, parse_duration};

use super::read;
use crate::access::Caller;
use crate::members::{Members, Wrong, members, shown};
use crate::problem::Problem;

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

/// The key of a request that may come twice. It belongs to whoever sends it: others may have the same one.
pub(super) fn idempotency(req: &HttpRequest, caller: &Caller, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
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
    Ok(Some(Idempotency::new(format!("http {owner} {key}"), body)))
}

/// A batch has no such key.
pub(super) fn refuse(req: &HttpRequest) -> Result<(), Problem> {
    match req.headers().contains_key(IDEMPOTENCY_KEY) {
        true => Err(Problem::parameter("Idempotency-Key", "belongs to POST /enqueue alone; give each call `unique`")),
        false => Ok(()),
    }
}
