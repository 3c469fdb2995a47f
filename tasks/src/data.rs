//! Application data: values that the board hands to tasks, by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::TaskContext;

/// A shared value of the application, as a parameter of a task: `mailer: Data<Mailer>`.
///
/// Given to the board once, with `.data(value)` or `.data_arc(arc)`; a task that asks for what was not given
/// is an error at start.
pub struct Data<T: ?Sized>(Arc<T>);

impl<T> Data<T> {
    /// Wraps a value, to call a task as an ordinary function in a test.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Data<T> {
    /// The shared value itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> From<Arc<T>> for Data<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> Clone for Data<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Data<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A type of application data, with its name for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataKey {
    id: TypeId,
    name: &'static str,
}

impl DataKey {
    /// The key of `T`.
    #[must_use]
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }

    /// The name of the type, with its path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The type.
    #[must_use]
    pub const fn type_id(self) -> TypeId {
        self.id
    }
}

/// All application data of a board.
#[derive(Clone, Default)]
pub struct DataMap(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl DataMap {
    /// Adds a value; it replaces an earlier one of its type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
    }

    /// Whether there is a value of this type.
    #[must_use]
    pub fn contains(&self, key: DataKey) -> bool {
        self.0.contains_key(&key.id)
    }
}

impl fmt::Debug for DataMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataMap({} values)", self.0.len())
    }
}

/// Application data that a task asked for and nobody gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no application data of type {}; give it to the board with `.data(..)`", .0.name())]
pub struct MissingData(pub DataKey);

/// What a parameter marked `#[inject]` can be: a value made from the context of the attempt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected into a task",
    label = "implements no `FromTask`",
    note = "implement `callboard::FromTask` for it, or write `callboard::Data<..>` (actix-web's `web::Data` is another type; `.data_arc(web_data.into_inner())` shares its value)"
)]
pub trait FromTask: Sized {
    /// Makes the value for one attempt.
    ///
    /// # Errors
    ///
    /// Whatever is missing; the attempt fails with it.
    fn from_task(context: &TaskContext) -> Result<Self, crate::BoxError>;

    /// The application data it needs, so that the board can miss it at start.
    #[must_use]
    fn requires() -> Option<DataKey> {
        None
    }
}

impl<T: Send + Sync + 'static> FromTask for Data<T> {
    fn from_task(context: &TaskContext) -> Result<Self, crate::BoxError> {
        context.data::<T>().map(Self).ok_or_else(|| MissingData(DataKey::of::<T>()).into())
    }

    fn requires() -> Option<DataKey> {
        Some(DataKey::of::<T>())
    }
}

impl FromTask for TaskContext {
    fn from_task(context: &TaskContext) -> Result<Self, crate::BoxError> {
        Ok(context.clone())
    }
}
