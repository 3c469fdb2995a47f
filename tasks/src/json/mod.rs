//! Arguments and return values as normalised JSON text: one rule for both.

mod compound;
mod normalize;
mod refused;
#[cfg(test)]
mod tests;
mod transcode;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// JSON text that every store can keep and every reader can read back.
///
/// The rule, as Django's `normalize_json` with its warts mended: tuples and sequences become arrays; map keys
/// that are characters, integers or booleans become text; bytes become text if they are UTF-8. Refused, with the
/// pointer to where they stand, are NaN and the infinities, integers beyond 64 bits, other bytes, other keys, a key
/// that stands there twice (`1` and `"1"`), and more than 120 levels of nesting. Nothing is written but what it
/// says: no insignificant white space, members in the order given.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// The value as normalised JSON.
    ///
    /// # Errors
    ///
    /// [`NotJson`] names the place and what cannot stand there.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, NotJson> {
        normalize::to_text(value).map(|text| Self(text.into()))
    }

    /// JSON `null`, what a function without a return value returns.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Text that is known to be normalised JSON because a store wrote it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How deep arrays and objects are nested in it; 0 for a scalar.
    #[must_use]
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' if !in_text => depth -= 1,
                _ => {}
            }
        }
        deepest
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    ///
    /// Serde's, where the text is not a `T`.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// Reads the value as a tree.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        self.get().expect("normalised text is JSON")
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        transcode::read(deserializer).map(|text| Self(text.into()))
    }
}

/// A value that has no normalised JSON: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value{} {problem}", if .pointer.is_empty() { String::new() } else { format!(" at {pointer}") })]
pub struct NotJson {
    /// A JSON pointer below the value: empty for the value itself, `/items/3/price`.
    pub pointer: String,
    /// What is wrong and what to do instead, as the end of a sentence that names the value.
    pub problem: String,
}
