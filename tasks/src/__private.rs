//! What the expansion of `#[task]` refers to. Not for people, and not covered by the promise of stable versions.
#![allow(missing_docs, reason = "for the macro alone")]

mod bind;

use std::marker::PhantomData;

use serde::{Deserializer, Serialize, Serializer};

pub use futures::future::LocalBoxFuture;
pub use inventory;
pub use serde;

pub use self::bind::{CheckArgument, bind, check_argument};
pub use crate::{
    Backoff, Call, CustomBackoff, DataKey, Failure, FromTask, InvalidTask, Json, Parameter, Redact, Run, Source, Task,
    TaskArg, TaskContext, TaskDefinition, TaskOptions, TaskOutput,
};
use crate::{BoxError, FailureKind, MissingData, Stop};

/// A task that the linker has kept.
#[derive(Debug)]
pub struct Registered(pub &'static TaskDefinition);

inventory::collect!(Registered);

/// What can be stored as an argument: the same types as [`TaskArg`].
///
/// Serde's traits are not among its supertraits, for the compiler would name those, once for each, and not say
/// what they are needed for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task argument: it is stored as JSON, so it must implement `Serialize` and `DeserializeOwned`",
    label = "not an argument",
    note = "for a type of your own, write `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "to receive it from application data instead, write `Data<{Self}>` or mark the parameter `#[inject]`"
)]
pub trait StorableArgument: Sized + 'static {
    fn store<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
    fn restore<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: TaskArg> StorableArgument for T {
    fn store<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn restore<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::deserialize(from)
    }
}

/// That a type is the `N`-th argument of the task for which the type `T` stands.
///
/// A type that cannot be stored breaks this in one place, where it is implemented, so that the compiler says it once
/// and points at the parameter. All else in an expansion is generic over this trait and takes it for granted.
pub trait ArgumentOf<T, const N: usize>: StorableArgument {}

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

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoFailure for E {
    fn into_failure(self) -> Failure {
        Failure::new(FailureKind::Error, self)
    }
}

/// What can be stored as a return value: the same types as [`TaskOutput`], and set apart for the same reason as
/// [`StorableArgument`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the return value of a task: it is stored as JSON, so it must implement `Serialize` and `DeserializeOwned`",
    label = "not a return value",
    note = "return `()` or a value of your own with `#[derive(serde::Serialize, serde::Deserialize)]`, alone or in a `Result`"
)]
pub trait StorableOutput: Sized {
    type Itself: TaskOutput;
    fn to_json(&self) -> Result<Json, Failure>;
}

#[diagnostic::do_not_recommend]
impl<T: TaskOutput> StorableOutput for T {
    type Itself = T;

    fn to_json(&self) -> Result<Json, Failure> {
        Ok(Json::from_value(self)?)
    }
}

/// What an expansion says of its marker type; that it is a [`Task`] follows.
pub trait Marker: Sized + 'static {
    type Returned: StorableOutput;
    const NAME: &'static str;
    fn definition() -> &'static TaskDefinition;
}

impl<M: Marker> Task for M {
    type Output = <M::Returned as StorableOutput>::Itself;
    const NAME: &'static str = M::NAME;

    fn definition() -> &'static TaskDefinition {
        M::definition()
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
pub fn returned_value<M: Marker>(value: &M::Returned) -> Result<Json, Failure> {
    value.to_json()
}

/// The return value of a task that returns a `Result`.
pub fn returned_result<M: Marker, E: IntoFailure>(
    result: impl ReturnsResult<Output = M::Returned, Error = E>,
) -> Result<Json, Failure> {
    result.into_result().map_err(IntoFailure::into_failure).and_then(|value| value.to_json())
}

/// A parameter that the board supplies.
pub fn inject<T: FromTask>(context: &TaskContext) -> Result<T, Failure> {
    T::from_task(context).map_err(|error| match error.downcast::<MissingData>() {
        Ok(missing) => (*missing).into(),
        Err(error) => Failure::new(FailureKind::Error, error),
    })
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
    struct Default<A>(A);
    impl<A: StorableArgument> Serialize for Default<A> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            self.0.store(to)
        }
    }
    Json::from_value(&Default(A::value())).unwrap_or_else(|_| Json::null())
}

/// The future of an async task.
pub fn boxed<F: Future<Output = Result<Json, Failure>> + 'static>(
    future: F,
) -> LocalBoxFuture<'static, Result<Json, Failure>> {
    Box::pin(future)
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
