//! The settings as they were written: a file and, laid over it, the environment. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingsProblem as Problem;

/// The prefix of the variables that are laid over the file, and what stands between two keys.
const PREFIX: &str = "CALLBOARD__";
const SEPARATOR: &str = "__";

/// How a variable is written by mistake that was meant to be one of them; others of this prefix are not settings.
const SLIP: &str = "CALLBOARD_";

/// Keys with their values.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value, as far as its syntax tells what it is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    /// What no setting is: a fraction, a truth value, a number beyond `i64`; a date. As it was written.
    Other(String),
    /// The text of a variable. What it is depends on what its key expects.
    Loose(String),
}

impl Value {
    /// The value as it is shown in a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Table(_) => "a table".into(),
            Self::List(_) => "a list".into(),
            Self::Text(text) | Self::Loose(text) => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Other(text) => text.clone(),
        }
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file; lines count from 1.
    File(Arc<str>, usize),
    /// In a variable of the environment, by its name.
    Variable(Arc<str>),
    /// Not at one place of it: a whole file, or the environment.
    Whole(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name, line) => write!(f, "{name}:{line}"),
            Self::Variable(name) | Self::Whole(name) => f.write_str(name),
        }
    }
}

/// Reads a file's text; `name` is what messages call the file.
///
/// # Errors
///
/// Every error of syntax, each with its line; what could be read beside them is not worth judging.
pub(super) fn read(name: &str, text: &str) -> Result<Table, Vec<Problem>> {
    let file = File { name: name.into(), text };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(file.table(table.into_inner()));
    }
    let problem = |error: &toml::de::Error| Problem {
        place: file.place(error.span().map_or(0, |span| span.start)).to_string(),
        key: String::new(),
        detail: format!("is not TOML: {}", error.message()),
    };
    Err(errors.iter().map(problem).collect())
}

/// A file that is being read, to tell the line of a byte.
struct File<'a> {
    name: Arc<str>,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, byte: usize) -> Place {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        Place::File(Arc::clone(&self.name), 1 + before.iter().filter(|byte| **byte == b'\n').count())
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
            // A key says where it stands better than a table does, which may be spread over the file.
            let place = self.place(key.span().start);
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            (key.into_owned(), Node { value: self.value(value.into_inner()), place })
        };
        table.into_iter().map(entry).collect()
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Array(list) => {
                let node = |value: Spanned<DeValue<'_>>| {
                    let place = self.place(value.span().start);
                    Node { value: self.value(value.into_inner()), place }
                };
                Value::List(list.into_iter().map(node).collect())
            }
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other(number.to_string()),
            },
            DeValue::Float(number) => Value::Other(number.to_string()),
            DeValue::Boolean(truth) => Value::Other(truth.to_string()),
            DeValue::Datetime(time) => Value::Other(time.to_string()),
        }
    }
}

/// Lays the variables that start with `CALLBOARD__` over the table: `CALLBOARD__TASKS__DEFAULT__URL` is the key
/// `tasks.default.url`. Letter case does not count; a key that is not there yet is written in small letters.
///
/// # Errors
///
/// Each variable that cannot be a key of the table.
pub(super) fn lay_over(table: &mut Table, variables: impl IntoIterator<Item = (String, String)>) -> Vec<Problem> {
    let mut paths: Vec<(String, String)> = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in variables {
        match name.strip_prefix(PREFIX) {
            Some(path) => paths.push((path.to_owned(), text)),
            None => problems.extend(slip(&name)),
        }
    }
    problems.sort_by(|a: &Problem, b| a.place.cmp(&b.place));
    // Tables come before what stands in them.
    paths.sort();
    problems.extend(paths.into_iter().filter_map(|(path, text)| set(table, &path, text).err()));
    problems
}

/// The problem of a variable with one `_` where there must be two. Only what can be nothing else is taken for one:
/// systems for containers set variables of their own, such as `CALLBOARD_HTTP_PORT` for a service of that name.
fn slip(name: &str) -> Option<Problem> {
    let path = name.strip_prefix(SLIP)?;
    let first = path.split(SEPARATOR).next().unwrap_or(path).to_ascii_lowercase();
    let meant = match first.as_str() {
        "tasks" | "http" | "csp" | "mail" | "templates" => path.contains(SEPARATOR),
        "required_tasks" | "drain_delay" | "shutdown_grace" => true,
        _ => false,
    };
    let detail = format!("sets nothing: two underscores must follow CALLBOARD; write {PREFIX}{path}");
    meant.then(|| Problem { place: name.into(), key: String::new(), detail })
}

fn set(table: &mut Table, path: &str, text: String) -> Result<(), Problem> {
    let name = format!("{PREFIX}{path}");
    let keys: Vec<&str> = path.split(SEPARATOR).collect();
    let problem = |detail: String| Problem { place: name.clone(), key: String::new(), detail };
    if keys.iter().any(|key| key.is_empty()) {
        return Err(problem("is no key; write CALLBOARD__TASKS__DEFAULT__URL for tasks.default.url".into()));
    }
    let place = Place::Variable(name.as_str().into());
    let (last, parents) = keys.split_last().expect("a split text has at least one part");
    let mut inside = table;
    for key in parents {
        let key = known_key(inside, key);
        let empty = || Node { value: Value::Table(Table::new()), place: place.clone() };
        let node = inside.entry(key.clone()).or_insert_with(empty);
        inside = match &mut node.value {
            Value::Table(table) => table,
            other => return Err(problem(format!("cannot be set, because {key} is {}, no table", other.shown()))),
        };
    }
    let key = known_key(inside, last);
    inside.insert(key, Node { value: loose(&name, text)?, place });
    Ok(())
}

/// The key as it stands in the table, else in small letters.
fn known_key(table: &Table, key: &str) -> String {
    table.keys().find(|known| known.eq_ignore_ascii_case(key)).cloned().unwrap_or_else(|| key.to_ascii_lowercase())
}

/// A variable's text: a TOML list or inline table where it looks like one, else what its key makes of it.
fn loose(name: &str, text: String) -> Result<Value, Problem> {
    if !text.trim_start().starts_with(['[', '{']) {
        return Ok(Value::Loose(text));
    }
    let value = DeValue::parse(&text).map_err(|error| Problem {
        place: name.into(),
        key: String::new(),
        detail: format!("is {text:?}, which is no TOML list or table: {}", error.message()),
    })?;
    let file = File { name: name.into(), text: "" };
    let mut value = file.value(value.into_inner());
    replace_places(&mut value, &Place::Variable(name.into()));
    Ok(value)
}

fn replace_places(value: &mut Value, place: &Place) {
    let nodes: Vec<&mut Node> = match value {
        Value::Table(table) => table.values_mut().collect(),
        Value::List(list) => list.iter_mut().collect(),
        _ => return,
    };
    for node in nodes {
        node.place = place.clone();
        replace_places(&mut node.value, place);
    }
}
