//! Normalised JSON straight from a deserializer: the members stay in their order, and no tree is built.

use std::fmt;
use std::sync::LazyLock;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;

use super::NotJson;
use super::compound::{Array, Object};
use super::normalize::{NUMBER, Writer, write};
use super::refused::Refused;

/// Reads whatever value comes next as normalised JSON.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    write(|writer| {
        Copy(writer).deserialize(deserializer).map_err(|error| match writer.refused.take() {
            Some(refused) => D::Error::custom(NotJson::from(refused)),
            None => error,
        })
    })
}

/// Reads `text`, which must be JSON and nothing else, into `writer`.
pub(super) fn copy_text(text: &str, writer: &mut Writer) -> Result<(), Refused> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Copy(writer).deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| {
        let unreadable = || Refused::new(format!("is raw text that is not JSON: {error}"));
        writer.refused.take().unwrap_or_else(unreadable)
    })
}

/// Copies a value into the writer. What the writer refuses is kept there, with its path, because the deserializer's
/// own error could only carry a message.
struct Copy<'a>(&'a mut Writer);

impl Copy<'_> {
    fn scalar<E: Error>(self, write: impl FnOnce(&mut Writer) -> Result<(), Refused>) -> Result<(), E> {
        let written = write(self.0);
        keep(self.0, written)
    }
}

/// Keeps what the writer refused.
fn keep<E: Error>(writer: &mut Writer, written: Result<(), Refused>) -> Result<(), E> {
    written.map_err(|refused| {
        let error = E::custom(&refused);
        writer.refused = Some(refused);
        error
    })
}

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($visit:ident, $type:ty, $serialize:ident;)*) => {$(
        fn $visit<E: Error>(self, value: $type) -> Result<(), E> {
            self.scalar(|writer| writer.$serialize(value))
        }
    )*};
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can carry")
    }

    scalars! {
        visit_bool, bool, serialize_bool;
        visit_i64, i64, serialize_i64;
        visit_i128, i128, serialize_i128;
        visit_u64, u64, serialize_u64;
        visit_u128, u128, serialize_u128;
        visit_f64, f64, serialize_f64;
        visit_str, &str, serialize_str;
        visit_bytes, &[u8], serialize_bytes;
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(|writer| writer.serialize_unit())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut array = match Array::open(&mut *self.0, None) {
            Ok(array) => array,
            Err(refused) => return keep(self.0, Err(refused)),
        };
        while elements.next_element_seed(Element(&mut array))?.is_some() {}
        array.close();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let start = self.0.out.len();
        let mut object = match Object::open(&mut *self.0, None) {
            Ok(object) => object,
            Err(refused) => return keep(self.0, Err(refused)),
        };
        while members.next_key_seed(Key(&mut object))?.is_some() {
            if object.has_only(NUMBER) && *NUMBERS_ARE_MAPS {
                let digits: String = members.next_value()?;
                let written = object.become_number(start, &digits);
                return keep(self.0, written);
            }
            members.next_value_seed(Member(&mut object))?;
        }
        let closed = object.close();
        keep(self.0, closed)
    }
}

/// The next element of an array.
struct Element<'o, 'a>(&'o mut Array<'a>);

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let read = Copy(self.0.next()).deserialize(deserializer);
        read.inspect_err(|_| self.0.note_refusal())
    }
}

/// The next key of an object.
struct Key<'o, 'a>(&'o mut Object<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let writer = self.0.begin_key();
        Copy(writer).deserialize(deserializer).inspect_err(|_| {
            writer.refused = writer.refused.take().map(Refused::in_key);
        })?;
        let ended = self.0.end_key();
        keep(self.0.value(), ended)
    }
}

/// The value of an object's last key.
struct Member<'o, 'a>(&'o mut Object<'a>);

impl<'de> DeserializeSeed<'de> for Member<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let read = Copy(self.0.value()).deserialize(deserializer);
        read.inspect_err(|_| self.0.note_refusal())
    }
}

/// Whether some crate of the program has turned on serde_json's `arbitrary_precision`, which shows a number to its
/// reader as a map with one member.
static NUMBERS_ARE_MAPS: LazyLock<bool> = LazyLock::new(|| serde_json::from_str::<serde_json::Number>("1e999").is_ok());
