//! Arrays and objects while they are being written.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::normalize::{RAW, Writer};
use super::refused::Refused;
use super::transcode;

/// An array, alone or as the content of an enum's variant.
pub(super) struct Array<'a> {
    writer: &'a mut Writer,
    len: usize,
    variant: Option<&'static str>,
}

impl<'a> Array<'a> {
    pub(super) fn open(writer: &'a mut Writer, variant: Option<&'static str>) -> Result<Self, Refused> {
        open_variant(writer, variant)?;
        writer.open(b'[').map_err(|refused| leave_variant(refused, variant))?;
        Ok(Self { writer, len: 0, variant })
    }

    /// Where the next element is to be written.
    pub(super) fn next(&mut self) -> &mut Writer {
        if self.len > 0 {
            self.writer.out.push(b',');
        }
        self.len += 1;
        self.writer
    }

    /// The element that was just written was refused; seen from around the array.
    pub(super) fn refuse(&self, refused: Refused) -> Refused {
        leave_variant(refused.below(self.len - 1), self.variant)
    }

    /// As [`refuse`](Self::refuse), for what was refused while it was copied from a deserializer.
    pub(super) fn note_refusal(&mut self) {
        self.writer.refused = self.writer.refused.take().map(|refused| self.refuse(refused));
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(self.next()).map_err(|refused| self.refuse(refused))
    }

    pub(super) fn close(self) {
        self.writer.close(b']');
        close_variant(self.writer, self.variant);
    }
}

/// An object, alone or as the content of an enum's variant, or a struct that stands for something else.
pub(super) struct Object<'a> {
    writer: &'a mut Writer,
    /// How many keys of the objects around it the writer holds.
    first: usize,
    len: usize,
    variant: Option<&'static str>,
    /// Whether it stands for raw JSON or a number, which its only member spells.
    stand_in: bool,
}

impl<'a> Object<'a> {
    pub(super) fn open(writer: &'a mut Writer, variant: Option<&'static str>) -> Result<Self, Refused> {
        open_variant(writer, variant)?;
        writer.open(b'{').map_err(|refused| leave_variant(refused, variant))?;
        let first = writer.keys.len();
        Ok(Self { writer, first, len: 0, variant, stand_in: false })
    }

    /// A struct of serde_json's own that has nothing but text, which is written in its place.
    pub(super) fn stand_in(writer: &'a mut Writer) -> Self {
        let first = writer.keys.len();
        Self { writer, first, len: 0, variant: None, stand_in: true }
    }

    /// Where the next key is to be written, as a value; [`end_key`](Self::end_key) must follow.
    pub(super) fn begin_key(&mut self) -> &mut Writer {
        if self.len > 0 {
            self.writer.out.push(b',');
        }
        self.len += 1;
        let start = self.writer.out.len();
        self.writer.keys.push(start..start);
        self.writer
    }

    pub(super) fn end_key(&mut self) -> Result<(), Refused> {
        let start = self.writer.keys.last().map_or(0, |key| key.start);
        self.writer.make_key(start).map_err(|refused| leave_variant(refused, self.variant))?;
        self.key_is_written();
        Ok(())
    }

    fn key_is_written(&mut self) {
        // What was written for the key may have had keys of its own, which are gone by now: ours is the last.
        if let Some(key) = self.writer.keys.last_mut() {
            key.end = self.writer.out.len();
        }
        self.writer.out.push(b':');
    }

    /// Where the value of the last key is to be written.
    pub(super) fn value(&mut self) -> &mut Writer {
        self.writer
    }

    /// The last key.
    pub(super) fn key(&self) -> String {
        // A refused value may have left keys of its own behind, so ours is not always the writer's last.
        let key = self.writer.keys[self.first + self.len - 1].clone();
        serde_json::from_slice(&self.writer.out[key]).expect("keys are written as JSON text")
    }

    /// The value of the last key was refused; seen from around the object.
    pub(super) fn refuse(&self, refused: Refused) -> Refused {
        leave_variant(refused.below(self.key()), self.variant)
    }

    /// As [`refuse`](Self::refuse), for what was refused while it was copied from a deserializer.
    pub(super) fn note_refusal(&mut self) {
        self.writer.refused = self.writer.refused.take().map(|refused| self.refuse(refused));
    }

    /// Whether `key` is the only one so far.
    pub(super) fn has_only(&self, key: &str) -> bool {
        let is_key = |written: &[u8]| written.len() == key.len() + 2 && &written[1..=key.len()] == key.as_bytes();
        self.len == 1 && self.writer.keys.last().is_some_and(|last| is_key(&self.writer.out[last.clone()]))
    }

    /// Puts the number that `digits` spell in the place of the whole object, which was opened at `start`.
    pub(super) fn become_number(self, start: usize, digits: &str) -> Result<(), Refused> {
        self.writer.keys.truncate(self.first);
        self.writer.take_back_object(start);
        self.writer.number(digits)
    }

    pub(super) fn close(mut self) -> Result<(), Refused> {
        if self.stand_in {
            return Ok(());
        }
        if let Some(key) = self.twice() {
            let refused = Refused::new(format!("has the key {key} twice"));
            return Err(leave_variant(refused, self.variant));
        }
        self.writer.keys.truncate(self.first);
        self.writer.close(b'}');
        close_variant(self.writer, self.variant);
        Ok(())
    }

    /// A key that stands there twice, as JSON text.
    fn twice(&mut self) -> Option<String> {
        /// So few keys are faster compared each with each than sorted.
        const FEW: usize = 16;
        let keys = &mut self.writer.keys[self.first..];
        let text = |key: &std::ops::Range<usize>| &self.writer.out[key.clone()];
        // Maps that are sorted, as most are, need no more than a look at each neighbour.
        if keys.windows(2).all(|pair| text(&pair[0]) < text(&pair[1])) {
            return None;
        }
        let same = if keys.len() <= FEW {
            (1..keys.len()).find(|&n| keys[..n].iter().any(|key| text(key) == text(&keys[n])))
        } else {
            keys.sort_unstable_by(|a, b| text(a).cmp(text(b)));
            (1..keys.len()).find(|&n| text(&keys[n - 1]) == text(&keys[n]))
        };
        same.map(|n| String::from_utf8_lossy(text(&keys[n])).into_owned())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        if self.stand_in {
            return self.stand_in_for(name, value);
        }
        self.begin_key().text(name);
        self.key_is_written();
        value.serialize(self.value()).map_err(|refused| self.refuse(refused))
    }

    /// Reads the text that the only field of a stand-in is, and writes what it means.
    fn stand_in_for<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        let start = self.writer.out.len();
        value.serialize(&mut *self.writer)?;
        let text = serde_json::from_slice::<String>(&self.writer.out[start..]);
        self.writer.out.truncate(start);
        match text {
            Err(_) => Err(Refused::new("is raw JSON that is not text")),
            Ok(text) if name == RAW => transcode::copy_text(&text, self.writer),
            Ok(digits) => self.writer.number(&digits),
        }
    }
}

fn open_variant(writer: &mut Writer, variant: Option<&'static str>) -> Result<(), Refused> {
    if let Some(variant) = variant {
        writer.open(b'{')?;
        writer.text(variant);
        writer.out.push(b':');
    }
    Ok(())
}

fn close_variant(writer: &mut Writer, variant: Option<&'static str>) {
    if variant.is_some() {
        writer.close(b'}');
    }
}

fn leave_variant(refused: Refused, variant: Option<&'static str>) -> Refused {
    match variant {
        Some(variant) => refused.below(variant),
        None => refused,
    }
}

macro_rules! arrays {
    ($($trait:ident, $element:ident;)*) => {$(
        impl $trait for Array<'_> {
            type Ok = ();
            type Error = Refused;

            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.element(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )*};
}

arrays! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(self.begin_key()).map_err(Refused::in_key)?;
        self.end_key()
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(self.value()).map_err(|refused| self.refuse(refused))
    }

    fn end(self) -> Result<(), Refused> {
        self.close()
    }
}

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl $trait for Object<'_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close()
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);
