//! A task: what `#[task]` makes of a function.

use std::fmt;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Backoff, CustomBackoff, DataKey, Failure, InvalidTask, Json, Redact, TaskContext};

/// A function marked `#[task]`, as its marker type: `log_message::with(..)` makes a [`Call`](crate::Call) of it.
///
/// Implemented by the macro alone.
pub trait Task: Sized + 'static {
    /// What the function returns; for a `Result`, what it returns when all is well.
    type Output: TaskOutput;

    /// The stored name: `<crate>.<function>`, or what `#[task(name = "..")]` says.
    const NAME: &'static str;

    /// All that is known of it.
    fn definition() -> &'static TaskDefinition;
}

/// All that is known of a task at compile time.
pub struct TaskDefinition {
    /// The stored name.
    pub name: &'static str,
    /// Earlier names, whose stored jobs it still runs.
    pub aliases: &'static [&'static str],
    /// Its doc comment, without the indentation; empty if it has none.
    pub description: &'static str,
    /// Its arguments, in order: what the board supplies is not among them.
    pub parameters: &'static [Parameter],
    /// What its calls ask for unless they say otherwise.
    pub options: TaskOptions,
    /// Where it is written, for errors that name both of two.
    pub source: Source,
    /// The application data without which it cannot run.
    pub requires: fn() -> Vec<DataKey>,
    /// Reads arguments by name or by position, fills in defaults, and gives them back by name, normalised.
    pub bind: fn(&str) -> Result<Json, InvalidTask>,
    /// The function.
    pub run: Run,
}

impl TaskDefinition {
    /// The function's own name: the last part of the task's.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

impl fmt::Debug for TaskDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({} at {})", self.name, self.source)
    }
}

/// Two definitions are the same task if they have the same name.
impl PartialEq for TaskDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TaskDefinition {}

/// What the calls of a task ask for unless they say otherwise. Django's defaults, with ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskOptions {
    /// The queue; `default`.
    pub queue: &'static str,
    /// -100..=100; 0.
    pub priority: i8,
    /// The backend's alias; `default`.
    pub backend: &'static str,
    /// Attempts in all; 12.
    pub max_attempts: u32,
    /// The pause after a failed attempt.
    pub backoff: Backoff,
    /// A function of the task's own that says so instead.
    pub custom_backoff: Option<CustomBackoff>,
    /// How long an attempt may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// How long after its enqueue a call may still start; `None` is for ever.
    pub expires: Option<Duration>,
    /// Whether `POST /enqueue` may name it.
    pub http: bool,
    /// Which of its arguments are never shown.
    pub redact: Redact,
    /// Whether its calls are unique by their arguments, unless one says otherwise.
    pub unique: bool,
    /// The parameter whose value is the limit key of its calls, unless one says otherwise.
    pub limit_key: Option<&'static str>,
}

impl TaskOptions {
    /// What a bare `#[task]` asks for.
    pub const DEFAULT: Self = Self {
        queue: "default",
        priority: 0,
        backend: "default",
        max_attempts: crate::RetryPolicy::MAX_ATTEMPTS,
        backoff: Backoff::Default,
        custom_backoff: None,
        timeout: None,
        expires: None,
        http: true,
        redact: Redact::Usual,
        unique: false,
        limit_key: None,
    };
}

/// An argument of a task.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its Rust type, as written.
    pub type_name: &'static str,
    /// Whether a call must give it; `Option`s and parameters with a default need not.
    pub required: bool,
    /// Its default, from `#[default(..)]`; an `Option`'s is null.
    pub default: Option<fn() -> Json>,
}

/// A place in somebody's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How a task's function is run: reads the arguments from the context, supplies the rest, calls, and normalises.
#[derive(Clone, Copy)]
pub enum Run {
    /// On a worker's own thread; the future may be `!Send`.
    Async(fn(TaskContext) -> LocalBoxFuture<'static, Result<Json, Failure>>),
    /// On the bounded pool for blocking functions.
    Blocking(fn(TaskContext) -> Result<Json, Failure>),
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "Async",
            Self::Blocking(_) => "Blocking",
        })
    }
}

/// What can be an argument: a value that JSON can carry. Implemented for all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task argument: it is stored as JSON, so it must implement `Serialize` and `DeserializeOwned`",
    label = "not an argument",
    note = "to receive it from application data instead, write `Data<{Self}>` or mark the parameter `#[inject]`"
)]
pub trait TaskArg: Serialize + DeserializeOwned + 'static {}

impl<T: Serialize + DeserializeOwned + 'static> TaskArg for T {}

/// What a task can return: a value that JSON can carry. Implemented for all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the return value of a task: it is stored as JSON, so it must implement `Serialize` and `DeserializeOwned`",
    label = "not a return value",
    note = "return `()` or a value of your own with `#[derive(Serialize, Deserialize)]`, alone or in a `Result`"
)]
pub trait TaskOutput: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> TaskOutput for T {}
