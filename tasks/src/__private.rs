//! What the expansion of `#[task]` refers to. Not for people, and not covered by the promise of stable versions.
#![allow(missing_docs, reason = "for the macro alone")]

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use futures::future::LocalBoxFuture;
pub use inventory;
pub use serde;

pub use crate::{
    Backoff, Call, Data, DataKey, Failure, FromTask, InvalidTask, Json, Parameter, Run, Source, Task, TaskArg,
    TaskContext, TaskDefinition, TaskOptions, TaskOutput,
};
use crate::{BoxError, FailureKind, Problem, Stop};

/// A task that the linker has kept.
#[derive(Debug)]
pub struct Registered(pub &'static TaskDefinition);

inventory::collect!(Registered);

/// That a type is the `N`-th argument of the task for which the type `T` stands.
///
/// A type that cannot be stored breaks this in one place, where it is implemented, so that the compiler says it once
/// and points at the parameter. All else in an expansion is generic over this trait and may take `TaskArg` for
/// granted.
pub trait ArgumentOf<T, const N: usize>: TaskArg {}

/// An argument that a call may leave out.
pub trait DefaultArgumentOf<T, const N: usize>: ArgumentOf<T, N> {
    fn value() -> Self;
}

/// Tells at compile time whether a return type that does not look like a `Result` is one.
#[derive(Debug)]
pub struct Returns<T>(PhantomData<T>);

impl<T, E> Returns<Result<T, E>> {
    pub const IS_RESULT: bool = true;
}

pub trait NotResult {
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Returns<T> {}

/// How the error of a task becomes a [`Failure`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a task",
    label = "not an error",
    note = "use a type that implements `std::error::Error`, `String`, `Box<dyn Error + Send + Sync>`, or `callboard::Stop`"
)]
pub trait IntoFailure {
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Stop {
    fn into_failure(self) -> Failure {
        self.into()
    }
}

impl<E: Into<BoxError>> IntoFailure for E {
    fn into_failure(self) -> Failure {
        Failure::new(FailureKind::Error, self)
    }
}

/// The value in a return type that ends in `Result`, whatever alias that is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the standard library's `Result`",
    label = "not a `Result`",
    note = "write `Result<T, E>` or an alias of it, or give your own type a name that does not end in `Result`"
)]
pub trait ReturnsResult {
    type Output;
    type Error;
    fn into_result(self) -> Result<Self::Output, Self::Error>;
}

impl<T, E> ReturnsResult for Result<T, E> {
    type Output = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// The return value of a task that returns no `Result`.
pub fn returned_value<T: Task>(value: &T::Output) -> Result<Json, Failure> {
    Ok(Json::from_value(value)?)
}

/// The return value of a task that returns a `Result`.
pub fn returned_result<T: Task, E: IntoFailure>(
    result: impl ReturnsResult<Output = T::Output, Error = E>,
) -> Result<Json, Failure> {
    match result.into_result() {
        Ok(value) => returned_value::<T>(&value),
        Err(error) => Err(error.into_failure()),
    }
}

/// A parameter that the board supplies.
pub fn inject<T: FromTask>(context: &TaskContext) -> Result<T, Failure> {
    T::from_task(context).map_err(|error| Failure::new(FailureKind::Error, error))
}

/// The application data that a parameter of this type needs.
pub fn requires_of<T: FromTask>() -> Option<DataKey> {
    T::requires()
}

/// The application data that all parameters need, each key once.
#[must_use]
pub fn requires(of: &[fn() -> Option<DataKey>]) -> Vec<DataKey> {
    let mut keys = Vec::new();
    for key in of.iter().filter_map(|requires_of| requires_of()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The default of an argument, for readers; one without JSON (NaN) shows as null and fails where it is used.
#[must_use]
pub fn default_json<A: DefaultArgumentOf<T, N>, T, const N: usize>() -> Json {
    Json::from_value(&A::value()).unwrap_or_else(|_| Json::null())
}

/// The future of an async task.
pub fn boxed<F: Future<Output = Result<Json, Failure>> + 'static>(
    future: F,
) -> LocalBoxFuture<'static, Result<Json, Failure>> {
    Box::pin(future)
}

/// Reads arguments, by name or by position, as the task's struct `A`, and gives them back by name.
pub fn bind<A: Serialize + DeserializeOwned>(task: &TaskDefinition, args: &str) -> Result<Json, InvalidTask> {
    let wrong = |pointer: &str, detail: String| InvalidTask::new(task.name, format!("#/args{pointer}"), detail);
    // What most calls are: an object with the right names. Only what is not gets a closer look.
    if args.trim_start().starts_with('{')
        && let Ok(args) = serde_json::from_str::<A>(args)
    {
        return Json::from_value(&args).map_err(|error| wrong(&error.pointer, error.problem));
    }
    let by_name = by_name(task, args)?;
    let text = by_name.as_deref().unwrap_or(args);
    let mut reader = serde_json::Deserializer::from_str(text);
    let args: A = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| wrong(&pointer(error.path()), plain(error.inner())))?;
    Json::from_value(&args).map_err(|error| wrong(&error.pointer, error.problem))
}

/// Brings arguments by position into an object, and finds missing and unknown names, all of them at once.
///
/// `None` means that the text is already an object with the right names.
fn by_name(task: &TaskDefinition, args: &str) -> Result<Option<String>, InvalidTask> {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be an object by parameter name or an array by position")]
    enum Given<'a> {
        #[serde(borrow)]
        Named(BTreeMap<std::borrow::Cow<'a, str>, serde::de::IgnoredAny>),
        Listed(Vec<serde::de::IgnoredAny>),
    }

    let wrong = |problems| InvalidTask { task: task.name.into(), problems };
    let parameters = task.parameters;
    match serde_json::from_str(args) {
        Err(error) => Err(wrong(vec![Problem::new("#/args", plain(&error))])),
        Ok(Given::Named(given)) => {
            let unknown = given.keys().filter(|name| !parameters.iter().any(|p| p.name == name.as_ref()));
            let unknown = unknown.map(|name| {
                Problem::new(format!("#/args/{}", escape(name)), format!("is not a parameter; {}", signature(task)))
            });
            let missing = parameters
                .iter()
                .filter(|p| p.required && !given.contains_key(p.name))
                .map(|p| Problem::new(format!("#/args/{}", p.name), format!("is missing; it is a {}", p.type_name)));
            let problems: Vec<_> = unknown.chain(missing).collect();
            if problems.is_empty() { Ok(None) } else { Err(wrong(problems)) }
        }
        Ok(Given::Listed(given)) => {
            if given.len() > parameters.len() {
                let detail = format!("has {} values; {}", given.len(), signature(task));
                return Err(wrong(vec![Problem::new("#/args", detail)]));
            }
            let missing: Vec<_> = parameters[given.len()..]
                .iter()
                .filter(|p| p.required)
                .map(|p| Problem::new(format!("#/args/{}", p.name), format!("is missing; it is a {}", p.type_name)))
                .collect();
            if !missing.is_empty() {
                return Err(wrong(missing));
            }
            let values: Vec<&RawValue> = serde_json::from_str(args).expect("it was just read as an array");
            let members: Vec<String> =
                parameters.iter().zip(values).map(|(p, value)| format!("\"{}\":{}", p.name, value.get())).collect();
            Ok(Some(format!("{{{}}}", members.join(","))))
        }
    }
}

/// "its parameters are `a: i64, b: i64`", or that it has none.
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

/// The definitions of the named tasks, as an array: `tasks![mail::send, reports::monthly]`.
///
/// A board that is given such a list runs these tasks and no others.
#[macro_export]
macro_rules! tasks {
    ($($task:ty),* $(,)?) => {
        [$(<$task as $crate::Task>::definition()),*]
    };
}
