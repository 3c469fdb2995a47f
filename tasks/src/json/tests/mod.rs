//! The rule of normalisation, case by case.
//!
//! A comment such as `// Django 12` names the case of Django's contract that a test proves.
#![allow(clippy::unwrap_used)]

mod keys;
mod properties;
mod raw;
mod values;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Json, NotJson};

pub(super) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    Json::from_value(value).unwrap().as_str().to_owned()
}

/// The pointer and the problem.
pub(super) fn refused<T: Serialize + ?Sized>(value: &T) -> (String, String) {
    let NotJson { pointer, problem } = Json::from_value(value).unwrap_err();
    (pointer, problem)
}

pub(super) fn json_of<T, const N: usize>(members: [(&'static str, T); N]) -> BTreeMap<&'static str, T> {
    BTreeMap::from(members)
}

/// Bytes that say so, which a plain `Vec<u8>` does not.
pub(super) struct Bytes(pub(super) &'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A map with one member whose key can be anything.
pub(super) struct Keyed<K>(pub(super) K);

impl<K: Serialize> Serialize for Keyed<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.0, true)])
    }
}

#[derive(Serialize)]
pub(super) struct Wrapped<T>(pub(super) T);

#[derive(Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Shape {
    Point,
    Circle(u32),
    Line(u32, u32),
    #[serde(rename = "box")]
    Square {
        side: u32,
    },
}

/// `[[[…]]]`, `levels` deep.
pub(super) struct Nested(pub(super) usize);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0 > 1).then(|| Self(self.0 - 1)))
    }
}
