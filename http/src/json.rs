//! Writes JSON by hand into one buffer: answers are made of texts that are JSON already (arguments, return
//! values), so a tree of values would be built only to be taken apart.

use callboard_tasks::Timestamp;
use serde::Serialize;
use std::io::Write as _;

/// An object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes the name of a member that needs no escape, and gives the place for its value.
    pub(crate) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes any name of a member, and gives the place for its value.
    pub(crate) fn any_name(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        write(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member that is text.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        write(self.name(name), value);
        self
    }

    /// A member that is JSON text already.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name).extend_from_slice(json.as_bytes());
        self
    }

    /// A member that serde can write: a number, a truth value, a list of texts.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> &mut Self {
        write(self.name(name), value);
        self
    }

    /// A time, or null. It always has six digits behind the point, so that times sort as text.
    pub(crate) fn time(&mut self, name: &str, time: Option<Timestamp>) -> &mut Self {
        let out = self.name(name);
        match time {
            Some(time) => write!(out, "\"{time:.6}\"").expect("a Vec takes every write"),
            None => out.extend_from_slice(b"null"),
        }
        self
    }

    /// A list, each item written by `item`.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        item: impl FnMut(&mut Vec<u8>, T),
    ) -> &mut Self {
        list(self.name(name), items, item);
        self
    }

    /// Closes it.
    pub(crate) fn close(self) {
        self.out.push(b'}');
    }

    fn comma(&mut self) {
        if self.empty {
            self.empty = false;
        } else {
            self.out.push(b',');
        }
    }
}

/// Writes what serde can write.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value)
        .expect("texts, numbers and lists of them have a JSON and a Vec takes every write");
}

/// Writes a list, each item by `item`.
pub(crate) fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (n, value) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}
