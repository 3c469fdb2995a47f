//! The serializer behind [`Json::from_value`](super::Json::from_value): writes text as it goes, in one pass.

use std::cell::Cell;
use std::io;
use std::ops::Range;

use serde::ser::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::NotJson;
use super::compound::{Array, Object};
use super::refused::Refused;

/// The deepest nesting of arrays and objects. Serde's readers of JSON stop at 128 levels; what is left is for the
/// records and answers that carry the value.
pub(super) const MAX_DEPTH: usize = 120;

/// What a struct that stands for raw JSON text calls itself (`serde_json::value::RawValue`).
pub(super) const RAW: &str = "$serde_json::private::RawValue";
/// What a number calls itself where some crate has turned on serde_json's `arbitrary_precision`.
pub(super) const NUMBER: &str = "$serde_json::private::Number";

/// Writes `value` by the rule that [`Json`](super::Json) states.
pub(super) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<Box<str>, NotJson> {
    write(|writer| value.serialize(writer)).map_err(NotJson::from)
}

/// Gives `fill` a writer and takes the text that it wrote.
///
/// The writer is kept for the thread's next value, so that the text itself is the only allocation.
pub(super) fn write<E>(fill: impl FnOnce(&mut Writer) -> Result<(), E>) -> Result<Box<str>, E> {
    /// A writer that once held a larger text is given back to the system.
    const KEPT: usize = 64 * 1024;
    thread_local! {
        static SPARE: Cell<Writer> = Cell::default();
    }
    // While a thread ends there may be no spare; a value written inside another one's `Serialize` finds an empty one.
    let mut writer = SPARE.try_with(Cell::take).unwrap_or_default();
    let text = fill(&mut writer).map(|()| str::from_utf8(&writer.out).expect("only text was written").into());
    if writer.out.capacity() <= KEPT {
        writer.clear();
        // Without a spare the next value allocates its own writer, so nothing is lost.
        let _ = SPARE.try_with(|spare| spare.set(writer));
    }
    text
}

/// JSON text as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    /// Where the keys of all open objects stand in `out`, those of the innermost last.
    pub(super) keys: Vec<Range<usize>>,
    /// How many arrays and objects are open.
    depth: usize,
    /// Why the value that is being copied from a deserializer was refused, see `transcode`.
    pub(super) refused: Option<Refused>,
}

impl Writer {
    fn clear(&mut self) {
        self.out.clear();
        self.keys.clear();
        self.depth = 0;
        self.refused = None;
    }

    pub(super) fn open(&mut self, bracket: u8) -> Result<(), Refused> {
        if self.depth == MAX_DEPTH {
            return Err(Refused::new(format!("is nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    pub(super) fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    /// Takes back everything from `start` on, where an object was opened.
    pub(super) fn take_back_object(&mut self, start: usize) {
        self.out.truncate(start);
        self.depth -= 1;
    }

    pub(super) fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.out, text).expect("a Vec takes every write");
    }

    /// What was written from `start` on becomes the key of an object: text stays, integers and booleans turn into it.
    pub(super) fn make_key(&mut self, start: usize) -> Result<(), Refused> {
        let written = &self.out[start..];
        let kind = match written[0] {
            b'"' => return Ok(()),
            b'[' => "an array",
            b'{' => "an object",
            b'n' => "null",
            b'-' | b'0'..=b'9' if written.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => "a float",
            _ => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
                return Ok(());
            }
        };
        Err(Refused::new(format!("has a key that is {kind}; keys must be text, characters, integers or booleans")))
    }

    /// The number that `digits` spell, if it is one that every reader of JSON understands alike.
    pub(super) fn number(&mut self, digits: &str) -> Result<(), Refused> {
        if let Ok(whole) = digits.parse::<i64>() {
            self.serialize_i64(whole)
        } else if let Ok(whole) = digits.parse::<u64>() {
            self.serialize_u64(whole)
        } else if digits.trim_start_matches('-').bytes().all(|digit| digit.is_ascii_digit()) {
            Err(Refused::too_large(digits))
        } else {
            let float: f64 =
                digits.parse().map_err(|_| Refused::new(format!("is {digits:?}, which is not a number")))?;
            self.serialize_f64(float)
        }
    }

    fn float(
        &mut self,
        finite: bool,
        value: f64,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), Refused> {
        if !finite {
            return Err(Refused::new(format!("is {value}, which JSON does not have; send null or text")));
        }
        write(&mut self.out).expect("a Vec takes every write");
        Ok(())
    }
}

macro_rules! integers {
    ($($serialize:ident, $type:ty, $write:ident;)*) => {$(
        fn $serialize(self, value: $type) -> Result<(), Refused> {
            CompactFormatter.$write(&mut self.out, value).expect("a Vec takes every write");
            Ok(())
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_i8, i8, write_i8;
        serialize_i16, i16, write_i16;
        serialize_i32, i32, write_i32;
        serialize_i64, i64, write_i64;
        serialize_u8, u8, write_u8;
        serialize_u16, u16, write_u16;
        serialize_u32, u32, write_u32;
        serialize_u64, u64, write_u64;
    }

    fn serialize_i128(self, value: i128) -> Result<(), Refused> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.serialize_i64(value),
            (_, Ok(value)) => self.serialize_u64(value),
            _ => Err(Refused::too_large(value)),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => Err(Refused::too_large(value)),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.float(value.is_finite(), value.into(), |out| CompactFormatter.write_f32(out, value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        self.float(value.is_finite(), value, |out| CompactFormatter.write_f64(out, value))
    }

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        match str::from_utf8(value) {
            Ok(text) => self.serialize_str(text),
            Err(_) => Err(Refused::new("is bytes that are not UTF-8; encode them as text, e.g. base64")),
        }
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.open(b'{')?;
        self.text(variant);
        self.out.push(b':');
        value.serialize(&mut *self).map_err(|refused| refused.below(variant))?;
        self.close(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, Refused> {
        Array::open(self, None)
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, Refused> {
        Array::open(self, None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, Refused> {
        Array::open(self, None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, Refused> {
        Array::open(self, Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Refused> {
        Object::open(self, None)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Object<'a>, Refused> {
        match name {
            RAW | NUMBER => Ok(Object::stand_in(self)),
            _ => Object::open(self, None),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, Refused> {
        Object::open(self, Some(variant))
    }
}
