//! What of a job is not shown: secrets among its arguments, wherever these would appear. What is stored stays as it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{InvalidTask, Json, Snapshot, TaskDefinition};

/// What stands where something is not shown.
const MASK: &str = "•••";

/// Which arguments of a task are never shown, as `#[task(redact = ..)]` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redact {
    /// Those whose name says that they are secret: `password`, `access_token`, `apiKey`, ...
    Usual,
    /// These besides, each a parameter or a path below one: `card`, `customer.card.number`.
    Also(&'static [&'static str]),
    /// None at all: what looks like a secret is none.
    Nothing,
}

/// Which arguments of a task are never shown: what a process publishes, so that others mask them too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redaction {
    /// Those whose name says that they are secret.
    #[default]
    Usual,
    /// These paths besides.
    Also(Vec<String>),
    /// None.
    Nothing,
    /// All of them: of a task of which nothing is known yet.
    Everything,
}

/// A word in a name that makes it one of a secret.
const SECRET: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secrets",
    "authorization",
    "credential",
    "credentials",
    "apikey",
    "bearer",
    "cookie",
];

/// A last word of a name that does: what a `token_count` counts is no secret.
const SECRET_LAST: [&str; 4] = ["token", "auth", "otp", "cvv"];

/// What stands before `key` in the name of a secret.
const KEYS: [&str; 6] = ["api", "private", "access", "secret", "signing", "encryption"];

impl Redaction {
    /// That of a task that this process has.
    #[must_use]
    pub fn of(task: &TaskDefinition) -> Self {
        match task.options.redact {
            Redact::Usual => Self::Usual,
            Redact::Also(paths) => Self::Also(paths.iter().map(|path| (*path).to_owned()).collect()),
            Redact::Nothing => Self::Nothing,
        }
    }

    /// That of a task that is linked into this program, whether a board registers it or not; the usual one of any other.
    #[must_use]
    pub fn linked(task: &str) -> Self {
        let mut tasks = inventory::iter::<crate::__private::Registered>.into_iter().map(|task| task.0);
        let known = tasks.find(|known| known.name == task || known.aliases.contains(&task));
        known.map_or(Self::Usual, Self::of)
    }

    /// Whether it is what a task has that says nothing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::Usual
    }

    /// Whether the value at this path is not shown. Places in a list are no part of a path.
    fn hides(&self, path: &[Cow<'_, str>]) -> bool {
        let Some(name) = path.last() else { return false };
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Usual => is_secret(name),
            Self::Also(paths) => {
                let named = |named: &String| named.split('.').eq(path.iter().map(AsRef::as_ref));
                is_secret(name) || paths.iter().any(named)
            }
        }
    }

    /// JSON as it is shown; `None` if nothing in it is a secret. What was masked goes to `secrets`, as text.
    #[must_use]
    pub fn mask(&self, json: &Json, secrets: &mut Vec<String>) -> Option<Json> {
        if *self == Self::Nothing || (self.is_usual() && !may_name_a_secret(json.as_str())) {
            return None;
        }
        let raw: &RawValue = serde_json::from_str(json.as_str()).ok()?;
        let mut masked = String::with_capacity(json.as_str().len());
        let before = secrets.len();
        self.write(raw, &mut Vec::new(), &mut masked, secrets);
        (secrets.len() > before).then(|| Json::from_stored(masked))
    }

    fn write<'a>(&self, raw: &'a RawValue, path: &mut Vec<Cow<'a, str>>, out: &mut String, secrets: &mut Vec<String>) {
        let text = raw.get();
        if self.hides(path) && text != "null" {
            collect(raw, secrets);
            out.push('"');
            out.push_str(MASK);
            out.push('"');
        } else if text.starts_with('{')
            && let Ok(Members(members)) = serde_json::from_str(text)
        {
            out.push('{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(&name).unwrap_or_default());
                out.push(':');
                path.push(name);
                self.write(value, path, out, secrets);
                path.pop();
            }
            out.push('}');
        } else if text.starts_with('[')
            && let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text)
        {
            out.push('[');
            for (n, value) in values.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                self.write(value, path, out, secrets);
            }
            out.push(']');
        } else {
            out.push_str(text);
        }
    }

    /// A job as it is shown: its arguments and metadata without the secrets, which are taken out of the texts of its
    /// errors and log lines as well. What it returned is the task's to choose, and is shown as it is.
    #[must_use]
    pub fn masked(&self, mut snapshot: Snapshot) -> Snapshot {
        let mut secrets = Vec::new();
        let spec = &snapshot.job.spec;
        let args = self.mask(&spec.args, &mut secrets);
        let usual = if *self == Self::Nothing { Self::Nothing } else { Self::Usual };
        let metadata = spec.metadata.as_ref().and_then(|metadata| usual.mask(metadata, &mut secrets));
        if args.is_none() && metadata.is_none() {
            return snapshot;
        }
        let spec = Arc::make_mut(&mut snapshot.job.spec);
        if let Some(args) = args {
            spec.args = args;
        }
        if metadata.is_some() {
            spec.metadata = metadata;
        }
        let history = &mut snapshot.job.state.history;
        for error in &mut history.errors {
            hide(&mut error.message, &secrets);
            hide(&mut error.traceback, &secrets);
        }
        for line in &mut history.logs {
            hide(&mut line.message, &secrets);
        }
        snapshot
    }

    /// A text about a call with these arguments, without their secrets: for lines of a log.
    #[must_use]
    pub fn masked_text<'a>(&self, args: &Json, text: &'a str) -> Cow<'a, str> {
        let mut secrets = Vec::new();
        if self.mask(args, &mut secrets).is_none() {
            return Cow::Borrowed(text);
        }
        let mut text = text.to_owned();
        hide(&mut text, &secrets);
        Cow::Owned(text)
    }

    /// A refusal without the values of secrets: what is wrong with one is said without showing it.
    #[must_use]
    pub fn masked_refusal(&self, mut invalid: InvalidTask) -> InvalidTask {
        for problem in &mut invalid.problems {
            let Some(pointer) = problem.pointer.strip_prefix("#/args/") else { continue };
            let steps = pointer.split('/').filter(|step| step.parse::<usize>().is_err());
            let path: Vec<Cow<'_, str>> =
                steps.map(|step| Cow::Owned(step.replace("~1", "/").replace("~0", "~"))).collect();
            let shows_value = !problem.detail.starts_with("is missing") && !problem.detail.starts_with("is given more");
            if shows_value && (1..=path.len()).any(|length| self.hides(&path[..length])) {
                problem.detail = "does not fit its type; its value is not shown".into();
            }
        }
        invalid
    }
}

/// Whether a name says that its value is secret.
fn is_secret(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    let is = |word: &String, list: &[&str]| list.contains(&word.as_str());
    words.iter().any(|word| is(word, &SECRET))
        || is(last, &SECRET_LAST)
        || words.windows(2).any(|pair| pair[1] == "key" && is(&pair[0], &KEYS))
}

/// `apiKey`, `API_KEY` and `x-api-key` are made of the same words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is one from the start").extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether it is worth a closer look: usually nothing in it even looks like the name of a secret.
fn may_name_a_secret(json: &str) -> bool {
    const PARTS: [&[u8]; 11] =
        [b"pass", b"pwd", b"secret", b"auth", b"credential", b"key", b"bearer", b"cookie", b"token", b"otp", b"cvv"];
    let bytes = json.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        let lower = byte.to_ascii_lowercase();
        PARTS.iter().any(|part| {
            part[0] == lower && bytes.get(at..at + part.len()).is_some_and(|found| found.eq_ignore_ascii_case(part))
        })
    })
}

/// The texts and numbers of a value that is masked, as they would appear in other texts; short ones appear everywhere.
fn collect(raw: &RawValue, secrets: &mut Vec<String>) {
    const SHORTEST: usize = 4;
    let before = secrets.len();
    let text = raw.get();
    if let Ok(Members(members)) = serde_json::from_str(text) {
        members.into_iter().for_each(|(_, value)| collect(value, secrets));
    } else if let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) {
        values.into_iter().for_each(|value| collect(value, secrets));
    } else {
        let plain: Option<String> = serde_json::from_str(text).ok();
        secrets.push(plain.unwrap_or_else(|| text.to_owned()));
    }
    if secrets.len() == before {
        // Nothing to find again, and yet masked.
        secrets.push(String::new());
    }
    secrets[before..].iter_mut().filter(|secret| secret.chars().count() < SHORTEST).for_each(String::clear);
}

/// Takes secrets out of a text, also as they are written in JSON or for programmers.
fn hide(text: &mut String, secrets: &[String]) {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret.as_str()) {
            *text = text.replace(secret.as_str(), MASK);
        }
        let escaped = secret.escape_debug().to_string();
        if escaped != *secret && text.contains(&escaped) {
            *text = text.replace(&escaped, MASK);
        }
    }
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

/// A name, borrowed unless it is written with escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Arguments as programmers see them in a `Debug`: without what any task of this program of that name, or a name itself,
/// says is secret.
pub(crate) struct Shown<'a> {
    pub(crate) task: &'a str,
    pub(crate) json: &'a Json,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = Redaction::linked(self.task).mask(self.json, &mut Vec::new());
        fmt::Debug::fmt(masked.as_ref().unwrap_or(self.json), f)
    }
}
