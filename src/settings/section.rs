//! Walks one table of the settings: takes the keys it knows, notes every problem, and goes on.

#![cfg_attr(
    not(all(feature = "http", feature = "mail")),
    allow(dead_code, reason = "the tables of the front end need all of it")
)]

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use callboard_tasks::{Timestamp, near_names, parse_duration};

use super::SettingsProblem as Problem;
use super::tree::{Node, Place, Table, Value};

/// The problems found so far; sections of one walk share them.
pub(super) type Problems = RefCell<Vec<Problem>>;

/// One table, from which each key is taken once.
pub(super) struct Section<'a> {
    path: String,
    place: Place,
    left: Table,
    asked: Vec<&'static str>,
    problems: &'a Problems,
}

/// A value with the key and the place it came from, so that a later check can still name them.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) key: String,
    pub(super) place: Place,
}

impl<T> Found<T> {
    fn with<U>(&self, value: U) -> Found<U> {
        Found { value, key: self.key.clone(), place: self.place.clone() }
    }

    /// A problem of this value.
    pub(super) fn problem(&self, detail: impl Display) -> Problem {
        Problem { place: self.place.to_string(), key: self.key.clone(), detail: detail.to_string() }
    }
}

impl<'a> Section<'a> {
    /// The outermost table; `place` is its file, or the environment.
    pub(super) fn outermost(table: Table, place: Place, problems: &'a Problems) -> Self {
        Self { path: String::new(), place, left: table, asked: Vec::new(), problems }
    }

    /// Notes a problem.
    pub(super) fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes a problem of the table itself.
    pub(super) fn note_self(&self, detail: impl Display) {
        self.note(Problem { place: self.place.to_string(), key: self.path.clone(), detail: detail.to_string() });
    }

    /// Notes that a key which must be there is not.
    pub(super) fn missing(&self, key: &str, fix: &str) {
        let key = self.path_of(key);
        self.note(Problem { place: self.place.to_string(), key, detail: format!("is missing; {fix}") });
    }

    /// The same, unless the key was there and what was wrong with it has been noted.
    pub(super) fn missing_unless_wrong(&self, key: &str, fix: &str) {
        let path = self.path_of(key);
        if !self.problems.borrow().iter().any(|problem| problem.key == path) {
            self.missing(key, fix);
        }
    }

    /// Notes a problem of a key of this table.
    #[cfg(feature = "mail")]
    pub(super) fn note_key(&self, key: &str, detail: impl Display) {
        let key = self.path_of(key);
        self.note(Problem { place: self.place.to_string(), key, detail: detail.to_string() });
    }

    /// Notes each of these keys that is not there.
    pub(super) fn must_have(&self, keys: &[&'static str]) {
        for key in keys.iter().filter(|key| !self.has(key)) {
            self.missing(key, "every table of this kind has it");
        }
    }

    /// Where the table was written.
    pub(super) fn place(&self) -> String {
        self.place.to_string()
    }

    /// Where problems of this walk are noted.
    pub(super) const fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Whether the table has that key and nobody has taken it yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// The keys that are left, for a table whose keys are names.
    pub(super) fn names(&self) -> Vec<String> {
        self.left.keys().cloned().collect()
    }

    /// A table below this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let found = self.take(key)?;
        self.opened(found)
    }

    /// The table under a name that is not known beforehand.
    pub(super) fn named_section(&mut self, name: &str) -> Option<Self> {
        let found = self.remove(name)?;
        self.opened(found)
    }

    /// A list of tables; an absent one is empty.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(found) = self.take(key) else { return Vec::new() };
        let Value::List(list) = found.value else {
            self.note(found.problem(format!("is {}; write [[{}]] for each", found.value.shown(), found.key)));
            return Vec::new();
        };
        let nodes = list.into_iter().enumerate().map(|(n, node)| Found {
            value: node.value,
            key: format!("{}[{n}]", found.key),
            place: node.place,
        });
        nodes.collect::<Vec<_>>().into_iter().filter_map(|found| self.opened(found)).collect()
    }

    /// Whatever stands under a name that is not known beforehand.
    pub(super) fn value(&mut self, name: &str) -> Option<Found<Value>> {
        self.remove(name)
    }

    /// Whatever stands under a known key.
    pub(super) fn known_value(&mut self, key: &'static str) -> Option<Found<Value>> {
        self.take(key)
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<Found<String>> {
        let found = self.take(key)?;
        match &found.value {
            Value::Text(text) | Value::Loose(text) if !text.trim().is_empty() => {
                let text = text.clone();
                Some(found.with(text))
            }
            other => {
                self.note(found.problem(format!("is {}; write text such as {example:?}", other.shown())));
                None
            }
        }
    }

    /// Text that no message may show.
    #[cfg(feature = "mail")]
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Found<String>> {
        let found = self.take(key)?;
        match &found.value {
            Value::Text(text) | Value::Loose(text) if !text.is_empty() => {
                let text = text.clone();
                Some(found.with(text))
            }
            _ => {
                self.note(found.problem("is no text, or is empty; write it in quotes"));
                None
            }
        }
    }

    /// Text that `read` accepts; what it says otherwise is the problem, after the value.
    pub(super) fn read<T, E: Display>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Found<T>> {
        let text = self.text(key, example)?;
        match read(&text.value) {
            Ok(value) => Some(text.with(value)),
            Err(problem) => {
                self.note(text.problem(problem));
                None
            }
        }
    }

    /// A whole number of that range.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<usize>) -> Option<Found<usize>> {
        let found = self.take(key)?;
        let number = match &found.value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            Value::Loose(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(found.with(number)),
            None => {
                let (least, most) = range.into_inner();
                let detail = format!("is {}; write a whole number from {least} to {most}", found.value.shown());
                self.note(found.problem(detail));
                None
            }
        }
    }

    /// A whole number of that range, which may be below zero.
    pub(super) fn signed(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<Found<i64>> {
        let found = self.take(key)?;
        let number = match &found.value {
            Value::Integer(number) => Some(*number),
            Value::Loose(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            let detail = format!("is {}; write a whole number from {least} to {most}", found.value.shown());
            self.note(found.problem(detail));
        }
        number.map(|number| found.with(number))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<Found<bool>> {
        let found = self.take(key)?;
        let flag = match &found.value {
            Value::Other(text) | Value::Loose(text) => text.trim().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.note(found.problem(format!("is {}; write true or false", found.value.shown())));
        }
        flag.map(|flag| found.with(flag))
    }

    /// A time with its zone, in quotes or without.
    pub(super) fn time(&mut self, key: &'static str) -> Option<Found<Timestamp>> {
        let found = self.take(key)?;
        let time = match &found.value {
            Value::Text(text) | Value::Loose(text) | Value::Other(text) => text.parse().ok(),
            _ => None,
        };
        if time.is_none() {
            let detail = format!("is {}, no time with a zone; write 2027-01-01T00:00:00Z", found.value.shown());
            self.note(found.problem(detail));
        }
        time.map(|time| found.with(time))
    }

    /// A pause of at least `least`, written `"3s"`.
    pub(super) fn duration(&mut self, key: &'static str, least: Duration) -> Option<Found<Duration>> {
        let found = self.take(key)?;
        let (Value::Text(text) | Value::Loose(text)) = &found.value else {
            let detail = format!("is {}; write a duration as text, such as \"3s\" or \"7d\"", found.value.shown());
            self.note(found.problem(detail));
            return None;
        };
        let problem = match parse_duration(text) {
            Ok(duration) if duration >= least => return Some(found.with(duration)),
            Ok(_) => format!("is {text:?}; write at least \"{}\"", callboard_tasks::format_duration(least)),
            Err(problem) if problem.contains(';') => problem,
            Err(problem) => format!("{problem}; write for example \"3s\", \"1h30m\" or \"7d\""),
        };
        self.note(found.problem(problem));
        None
    }

    /// A list of texts; in a variable also written with commas between them.
    pub(super) fn texts(&mut self, key: &'static str, example: &str) -> Option<Vec<Found<String>>> {
        let found = self.take(key)?;
        let list = match &found.value {
            Value::List(list) => list,
            Value::Loose(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                return Some(parts.map(|part| found.with(part.to_owned())).collect());
            }
            other => {
                self.note(found.problem(format!("is {}; write a list such as {example}", other.shown())));
                return None;
            }
        };
        let mut texts = Vec::new();
        for (n, node) in list.iter().enumerate() {
            let item = Found { value: (), key: format!("{}[{n}]", found.key), place: node.place.clone() };
            match &node.value {
                Value::Text(text) => texts.push(item.with(text.clone())),
                other => self.note(item.problem(format!("is {}; write text in quotes", other.shown()))),
            }
        }
        Some(texts)
    }

    /// Notes that a key is not part of this version, if it is there. No message offers it.
    pub(super) fn later(&mut self, key: &str) {
        if let Some(found) = self.remove(key) {
            self.note(found.problem("is not part of this version yet; remove it"));
        }
    }

    /// Notes that a key has no effect, if it is there; `why` ends the sentence. No message offers it.
    pub(super) fn useless(&mut self, key: &str, why: &str) {
        if let Some(found) = self.remove(key) {
            self.note(found.problem(format!("has no effect {why}; remove it")));
        }
    }

    /// Leaves a key to others.
    #[cfg(not(all(feature = "http", feature = "mail")))]
    pub(super) fn pass_over(&mut self, key: &'static str) {
        self.take(key);
    }

    /// Ends the walk of this table: what nobody asked for is unknown.
    pub(super) fn finish(mut self) {
        for key in self.names() {
            let Some(found) = self.remove(&key) else { continue };
            let near = near_names(&key, self.asked.iter().copied());
            let hint = match near.first() {
                Some(near) => format!("did you mean {near}?"),
                None if self.asked.is_empty() => "there are none here; remove it".into(),
                None => format!("known are {}", self.asked.join(", ")),
            };
            self.note(found.problem(format!("is no setting; {hint}")));
        }
    }

    /// Takes a value out, and remembers that this key is known.
    fn take(&mut self, key: &'static str) -> Option<Found<Value>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.remove(key)
    }

    fn remove(&mut self, key: &str) -> Option<Found<Value>> {
        let Node { value, place } = self.left.remove(key)?;
        Some(Found { value, key: self.path_of(key), place })
    }

    fn opened(&self, found: Found<Value>) -> Option<Self> {
        let Found { value, key, place } = found;
        match value {
            Value::Table(left) => Some(Self { path: key, place, left, asked: Vec::new(), problems: self.problems }),
            other => {
                let detail = format!("is {}; write a table, [{key}]", other.shown());
                self.note(Problem { place: place.to_string(), key, detail });
                None
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
