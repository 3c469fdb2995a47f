//! Reads the arguments of a call as a front end receives them: by name or by position, and all problems at once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{ArgumentOf, StorableArgument};
use crate::{InvalidTask, Json, Parameter, Problem, Redaction, TaskDefinition};

/// Says of an argument's JSON text what is wrong with it, and where.
pub type CheckArgument = fn(&str) -> Option<Problem>;

/// Reads arguments as the task's struct `A` and gives them back by name, normalised; `checks` has one check for each
/// parameter.
pub fn bind<A: Serialize + DeserializeOwned>(
    task: &TaskDefinition,
    checks: &[CheckArgument],
    args: &str,
) -> Result<Json, InvalidTask> {
    let shown = |invalid| Redaction::of(task).masked_refusal(invalid);
    let normalised = |args: &A| {
        Json::from_value(args)
            .map_err(|error| InvalidTask::new(task.name, format!("#/args{}", error.pointer), error.problem))
            .map_err(shown)
    };
    // What most calls are: an object with the right names and types. Only what is not gets a closer look.
    if args.trim_start().starts_with('{')
        && let Ok(args) = serde_json::from_str(args)
    {
        return normalised(&args);
    }
    let by_name = by_name(task, checks, args).map_err(shown)?;
    let args = serde_json::from_str(&by_name).map_err(|error| {
        let detail = Redaction::of(task).masked_text(&Json::from_stored(by_name.clone()), &plain(&error)).into_owned();
        InvalidTask::new(task.name, "#/args", detail)
    })?;
    normalised(&args)
}

/// The check of an argument of type `A`.
pub fn check_argument<A: ArgumentOf<T, N>, T, const N: usize>(value: &str) -> Option<Problem> {
    struct Restored<T>(T);
    impl<'de, T: StorableArgument> Deserialize<'de> for Restored<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            T::restore(from).map(Self)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(value);
    match serde_path_to_error::deserialize::<_, Restored<A>>(&mut reader) {
        Ok(Restored(_)) => None,
        Err(error) => Some(Problem::new(pointer(error.path()), plain(error.inner()))),
    }
}

/// The arguments as an object with the right names and types, or everything that keeps them from being one.
fn by_name(task: &TaskDefinition, checks: &[CheckArgument], args: &str) -> Result<String, InvalidTask> {
    let wrong = |problems| InvalidTask { task: task.name.into(), problems };
    let given: Given<'_> =
        serde_json::from_str(args).map_err(|error| wrong(vec![Problem::new("#/args", plain(&error))]))?;
    let mut problems = Vec::new();
    let mut members = Vec::new();
    for (n, (parameter, check)) in task.parameters.iter().zip(checks).enumerate() {
        let Parameter { name, type_name, required, .. } = parameter;
        let mut values = given.values(n, name);
        match values.next() {
            None if *required => {
                problems.push(Problem::new(format!("#/args/{name}"), format!("is missing; its type is {type_name}")));
            }
            None => {}
            Some(_) if values.next().is_some() => {
                problems.push(Problem::new(format!("#/args/{name}"), "is given more than once"));
            }
            Some(value) => {
                if let Some(problem) = check(value) {
                    problems.push(Problem::new(format!("#/args/{name}{}", problem.pointer), problem.detail));
                }
                members.push(format!("\"{name}\":{value}"));
            }
        }
    }
    problems.extend(given.surplus(task));
    if problems.is_empty() { Ok(format!("{{{}}}", members.join(","))) } else { Err(wrong(problems)) }
}

/// Arguments before anybody knows what they should be.
enum Given<'a> {
    /// By name, in the order given.
    Named(Vec<(Cow<'a, str>, &'a RawValue)>),
    /// By position.
    Listed(Vec<&'a RawValue>),
}

impl Given<'_> {
    /// What is given for the n-th parameter.
    fn values(&self, n: usize, name: &str) -> impl Iterator<Item = &str> {
        let (named, listed) = match self {
            Self::Named(members) => (members.as_slice(), None),
            Self::Listed(values) => (&[][..], values.get(n)),
        };
        let named = named.iter().filter(move |(key, _)| key == name).map(|(_, value)| value);
        named.chain(listed).map(|value| value.get())
    }

    /// What is given for no parameter.
    fn surplus(&self, task: &TaskDefinition) -> Vec<Problem> {
        match self {
            Self::Named(members) => members
                .iter()
                .filter(|(key, _)| !task.parameters.iter().any(|parameter| parameter.name == key))
                .map(|(key, _)| {
                    let detail = format!("is not a parameter; {}", signature(task));
                    Problem::new(format!("#/args/{}", escape(key)), detail)
                })
                .collect(),
            Self::Listed(values) if values.len() > task.parameters.len() => {
                vec![Problem::new("#/args", format!("has {} values; {}", values.len(), signature(task)))]
            }
            Self::Listed(_) => Vec::new(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object by parameter name or an array by position")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            members.push((key, map.next_value()?));
        }
        Ok(Given::Named(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Given::Listed(values))
    }
}

/// A name, borrowed unless it is written with escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// "the parameters of app.add are a: i64, b: i64", or that it has none.
fn signature(task: &TaskDefinition) -> String {
    if task.parameters.is_empty() {
        return format!("{} has no parameters", task.name);
    }
    let list: Vec<_> = task.parameters.iter().map(|p| format!("{}: {}", p.name, p.type_name)).collect();
    format!("the parameters of {} are {}", task.name, list.join(", "))
}

/// A path of serde_path_to_error as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => String::new(),
        })
        .collect()
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Serde's message without the line and column, which mean nothing to whoever sees a pointer.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}
