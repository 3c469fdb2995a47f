//! The members of a body that is one JSON object: found in one pass over the text, each read on its own, so that all
//! mistakes are reported together and nothing is built that the request does not need.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use callboard_tasks::{Problem as FieldProblem, near_names};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::{Kind, Problem};

/// The members that a kind of body may have.
pub(crate) trait Member: Copy {
    /// Their names; at most [`ROOM`] of them.
    const NAMES: &'static [&'static str];
    /// How many of them, at the end, are only known to be refused in words of their own.
    const LATER: usize = 0;

    /// Which of the names it is.
    fn place(self) -> usize;
}

/// Declares the members of a kind of body: each variant with its name.
macro_rules! members {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal,)* } $(later $later:literal)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum $name { $($variant,)* }

        impl $crate::members::Member for $name {
            const NAMES: &'static [&'static str] = &[$($text,)*];
            $(const LATER: usize = $later;)?

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use members;

/// What is wrong with a member.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Where below the member, as the rest of a JSON pointer; empty for the member itself.
    pub(crate) below: String,
    /// What is wrong, with the value, and what to write instead.
    pub(crate) detail: String,
}

impl<T: Into<String>> From<T> for Wrong {
    fn from(detail: T) -> Self {
        Self { below: String::new(), detail: detail.into() }
    }
}

/// The most members that a body may have.
const ROOM: usize = 16;
/// The most mistakes that one answer lists.
const MOST: usize = 20;
/// The longest part of a client's own name for something that an answer repeats, in characters.
const SHOWN: usize = 64;

/// What a body says, each member as its JSON text. A member that is null is one that is not there.
#[derive(Debug)]
pub(crate) struct Members<'a, M> {
    found: [Option<&'a RawValue>; ROOM],
    mistakes: Vec<FieldProblem>,
    member: PhantomData<M>,
}

/// A body as text.
pub(crate) fn text_of(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        Problem::new(Kind::MalformedJson, format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

impl<'a, M: Member> Members<'a, M> {
    /// The members of a body.
    pub(crate) fn of(text: &'a str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Problem::fields(vec![FieldProblem::new("#", "the body must be a JSON object")]),
            _ => Problem::new(Kind::MalformedJson, format!("the body is not JSON: {error}")),
        })
    }

    /// The JSON text of a member.
    pub(crate) fn raw(&self, member: M) -> Option<&'a str> {
        self.given(member).filter(|json| *json != "null")
    }

    /// The JSON text of a member, also if it is null.
    pub(crate) fn given(&self, member: M) -> Option<&'a str> {
        self.found[member.place()].map(RawValue::get)
    }

    /// A member read by `read`; a mistake is noted.
    pub(crate) fn read<T>(&mut self, member: M, read: impl FnOnce(&'a str) -> Result<T, Wrong>) -> Option<T> {
        match read(self.raw(member)?) {
            Ok(value) => Some(value),
            Err(Wrong { below, detail }) => {
                self.mistake(format!("#/{}{below}", M::NAMES[member.place()]), detail);
                None
            }
        }
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.mistakes.len() < MOST {
            self.mistakes.push(FieldProblem::new(pointer, detail));
        }
    }

    /// The mistakes so far.
    pub(crate) fn mistakes(&mut self) -> Vec<FieldProblem> {
        std::mem::take(&mut self.mistakes)
    }
}

impl<'de, M: Member> Deserialize<'de> for Members<'de, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Finder(PhantomData))
    }
}

struct Finder<M>(PhantomData<M>);

impl<'de, M: Member> Visitor<'de> for Finder<M> {
    type Value = Members<'de, M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members { found: [None; ROOM], mistakes: Vec::new(), member: PhantomData };
        while let Some(Name(name)) = map.next_key()? {
            let Some(place) = M::NAMES.iter().position(|known| *known == name) else {
                map.next_value::<IgnoredAny>()?;
                // What was meant is looked for only as long as anybody hears of it: a body holds a hundred thousand.
                if members.mistakes.len() < MOST {
                    members.mistake(pointer(&name), unknown::<M>(&name));
                }
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

fn unknown<M: Member>(name: &str) -> String {
    match near_names(&shown(name), M::NAMES.iter().copied()).first() {
        Some(near) => format!("is not a member of this request; did you mean {near:?}?"),
        None => {
            let names = M::NAMES[..M::NAMES.len() - M::LATER].join(", ");
            format!("is not a member of this request; there are {names}")
        }
    }
}

/// The beginning of a text that may be of any length.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
