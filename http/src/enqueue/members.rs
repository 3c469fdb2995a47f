//! The members of the body of `POST /enqueue`: found in one pass over the text, each read on its own, so that all
//! mistakes are reported together and nothing is built that the call does not need.

use std::borrow::Cow;
use std::fmt;

use callboard_tasks::{Problem as FieldProblem, near_names};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::read::Wrong;
use crate::problem::{Kind, Problem};

/// A member of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Task,
    Args,
    Backend,
    Queue,
    Priority,
    RunAfter,
    MaxAttempts,
    TimeoutMs,
    ExpiresAt,
    Tags,
    Metadata,
    Unique,
    LimitKey,
}

/// The names of the members, in the order of [`Member`].
const NAMES: [&str; 13] = [
    "task",
    "args",
    "backend",
    "queue",
    "priority",
    "run_after",
    "max_attempts",
    "timeout_ms",
    "expires_at",
    "tags",
    "metadata",
    "unique",
    "limit_key",
];
/// The most mistakes that one answer lists.
const MOST: usize = 20;
/// The longest part of a client's own name for something that an answer repeats, in characters.
const SHOWN: usize = 64;

/// What a body says, each member as its JSON text. A member that is null is one that is not there.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    found: [Option<&'a RawValue>; NAMES.len()],
    mistakes: Vec<FieldProblem>,
}

impl<'a> Members<'a> {
    /// The members of a body.
    pub(super) fn of(body: &'a [u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|error| {
            Problem::new(Kind::MalformedJson, format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Problem::fields(vec![FieldProblem::new("#", "the body must be a JSON object")]),
            _ => Problem::new(Kind::MalformedJson, format!("the body is not JSON: {error}")),
        })
    }

    /// The JSON text of a member.
    pub(super) fn raw(&self, member: Member) -> Option<&'a str> {
        self.found[member as usize].map(RawValue::get).filter(|json| *json != "null")
    }

    /// A member read by `read`; a mistake is noted.
    pub(super) fn read<T>(&mut self, member: Member, read: impl FnOnce(&'a str) -> Result<T, Wrong>) -> Option<T> {
        match read(self.raw(member)?) {
            Ok(value) => Some(value),
            Err(Wrong { below, detail }) => {
                self.mistake(format!("#/{}{below}", NAMES[member as usize]), detail);
                None
            }
        }
    }

    /// Notes a mistake.
    pub(super) fn mistake(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.mistakes.len() < MOST {
            self.mistakes.push(FieldProblem::new(pointer, detail));
        }
    }

    /// The mistakes so far.
    pub(super) fn mistakes(&mut self) -> Vec<FieldProblem> {
        std::mem::take(&mut self.mistakes)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Finder)
    }
}

struct Finder;

impl<'de> Visitor<'de> for Finder {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(Name(name)) = map.next_key()? {
            let Some(place) = NAMES.iter().position(|known| *known == name) else {
                map.next_value::<IgnoredAny>()?;
                members.mistake(pointer(&name), unknown(&name));
                continue;
            };
            let value: &RawValue = map.next_value()?;
            if members.found[place].replace(value).is_some() {
                members.mistake(pointer(&name), "is given twice");
            }
        }
        Ok(members)
    }
}

/// A name that is borrowed from the body unless it holds an escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// A JSON pointer to a member of the body, as a fragment.
fn pointer(name: &str) -> String {
    format!("#/{}", shown(name).replace('~', "~0").replace('/', "~1"))
}

fn unknown(name: &str) -> String {
    match near_names(&shown(name), NAMES.into_iter()).first() {
        Some(near) => format!("is not a member of this request; did you mean {near:?}?"),
        None => format!("is not a member of this request; there are {}", NAMES[..11].join(", ")),
    }
}

/// The beginning of a text that may be of any length.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
