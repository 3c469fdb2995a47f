//! A call: a task with its arguments and options, ready to be enqueued.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::redact::Shown;
use crate::{Backoff, Idempotency, InvalidTask, Json, Redaction, RunAfter, Task, TaskDefinition, Unique};

/// A task with its arguments and options, ready to be enqueued. Made by `the_task::with(..)`.
///
/// A value: it can be cloned, compared, kept, and enqueued more than once. Options are checked when it is
/// enqueued, because only the backend knows its queues.
pub struct Call<T> {
    any: AnyCall,
    task: PhantomData<fn() -> T>,
}

/// A [`Call`] that has forgotten its task's type, so that calls of several tasks fit into one list.
///
/// Printed for programmers it shows no secrets; see [`Redaction`].
#[derive(Clone, PartialEq, Eq)]
pub struct AnyCall {
    pub(crate) task: Cow<'static, str>,
    pub(crate) definition: Option<&'static TaskDefinition>,
    pub(crate) args: Result<Json, InvalidTask>,
    pub(crate) options: CallOptions,
}

/// What one call asks for; what it leaves out is the task's [`TaskOptions`](crate::TaskOptions).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The queue.
    pub queue: Option<Cow<'static, str>>,
    /// -100..=100; larger runs sooner.
    pub priority: Option<i64>,
    /// The backend's alias.
    pub backend: Option<Cow<'static, str>>,
    /// The earliest start.
    pub run_after: RunAfter,
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// The pause after a failed attempt.
    pub backoff: Option<Backoff>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// When it fails as expired if it has not started; read like `run_after`, `Now` is never.
    pub expires: RunAfter,
    /// Labels to find it by; at most 16.
    pub tags: Vec<String>,
    /// What is attached to it: a JSON object.
    pub metadata: Option<Result<Json, crate::NotJson>>,
    /// The W3C trace context of the request.
    pub traceparent: Option<String>,
    /// That there shall be one of its kind.
    pub unique: Option<Unique>,
    /// With whom it shares the limits of its queue that count by key.
    pub limit_key: Option<String>,
    /// The key of the request, if it may come twice.
    pub idempotency: Option<Idempotency>,
}

impl CallOptions {
    /// These options, and where they say nothing, what `standard` says.
    #[must_use]
    pub fn or(self, standard: Self) -> Self {
        let when = |own, standard| if own == RunAfter::Now { standard } else { own };
        Self {
            queue: self.queue.or(standard.queue),
            priority: self.priority.or(standard.priority),
            backend: self.backend.or(standard.backend),
            run_after: when(self.run_after, standard.run_after),
            max_attempts: self.max_attempts.or(standard.max_attempts),
            backoff: self.backoff.or(standard.backoff),
            timeout: self.timeout.or(standard.timeout),
            expires: when(self.expires, standard.expires),
            tags: if self.tags.is_empty() { standard.tags } else { self.tags },
            metadata: self.metadata.or(standard.metadata),
            traceparent: self.traceparent.or(standard.traceparent),
            unique: self.unique.or(standard.unique),
            limit_key: self.limit_key.or(standard.limit_key),
            idempotency: self.idempotency.or(standard.idempotency),
        }
    }
}

impl<T: Task> Call<T> {
    /// A call with these arguments, given as a value that serialises to an object by parameter name.
    #[doc(hidden)]
    pub fn from_args(args: &impl Serialize) -> Self {
        let args = Json::from_value(args)
            .map_err(|wrong| InvalidTask::new(T::NAME, format!("#/args{}", wrong.pointer), wrong.problem))
            .map_err(|invalid| Redaction::of(T::definition()).masked_refusal(invalid));
        let any = AnyCall {
            task: Cow::Borrowed(T::NAME),
            definition: Some(T::definition()),
            args,
            options: CallOptions::default(),
        };
        Self { any, task: PhantomData }
    }

    /// Forgets the task's type, for lists of calls of several tasks.
    #[must_use]
    pub fn erase(self) -> AnyCall {
        self.any
    }

    /// Waits in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<Cow<'static, str>>) -> Self {
        self.any.options.queue = Some(queue.into());
        self
    }

    /// Runs sooner (up to 100) or later (down to -100) than others of its queue; 0 is the default.
    #[must_use]
    pub fn priority(mut self, priority: impl Into<i64>) -> Self {
        self.any.options.priority = Some(priority.into());
        self
    }

    /// Goes to the backend of this alias.
    #[must_use]
    pub fn backend(mut self, alias: impl Into<Cow<'static, str>>) -> Self {
        self.any.options.backend = Some(alias.into());
        self
    }

    /// Starts no sooner than this: a [`Timestamp`](crate::Timestamp), a [`Duration`] from the enqueue on, or
    /// either as text (`"5m"`). [`RunAfter::Now`] undoes an earlier choice.
    #[must_use]
    pub fn run_after(mut self, run_after: impl Into<RunAfter>) -> Self {
        self.any.options.run_after = run_after.into();
        self
    }

    /// Is tried this often in all, the first attempt included; at least 1.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.any.options.max_attempts = Some(attempts);
        self
    }

    /// Pauses so after a failed attempt, instead of as the task does, whatever function that has.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.any.options.backoff = Some(backoff);
        self
    }

    /// Fails an attempt that takes longer; must be longer than zero.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.any.options.timeout = Some(timeout);
        self
    }

    /// Fails as expired unless it has started by then; written like [`run_after`](Self::run_after).
    #[must_use]
    pub fn expires(mut self, expires: impl Into<RunAfter>) -> Self {
        self.any.options.expires = expires.into();
        self
    }

    /// Adds a label to find it by; at most 16.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.any.options.tags.push(tag.into());
        self
    }

    /// Attaches data, which must serialise to a JSON object of at most 16 KiB.
    #[must_use]
    pub fn metadata(mut self, metadata: &impl Serialize) -> Self {
        self.any.options.metadata = Some(Json::from_value(metadata));
        self
    }

    /// Continues this W3C trace; a malformed one is left out.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.any.options.traceparent = Some(traceparent.into());
        self
    }

    /// Is the only one of its kind: who comes while its job has not ended gets that job. See [`Unique`].
    ///
    /// ```
    /// # use callboard_tasks::{task, Unique};
    /// # #[task] async fn report(id: u64) {}
    /// let call = report::with(7u64).unique(Unique::by_key("report:7").or_replace());
    /// # let _ = call;
    /// ```
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.any.options.unique = Some(unique);
        self
    }

    /// Counts for the limits that its queue has for each key: a tenant, a host, an account.
    #[must_use]
    pub fn limit_key(mut self, key: impl Into<String>) -> Self {
        self.any.options.limit_key = Some(key.into());
        self
    }

    /// May come twice: an enqueue with the same key and the same request, within its time, is answered with the jobs
    /// of the first one. See [`Idempotency`].
    #[must_use]
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.any.options.idempotency = Some(idempotency);
        self
    }

    /// Its options so far.
    #[must_use]
    pub const fn options(&self) -> &CallOptions {
        &self.any.options
    }

    /// Its arguments: a JSON object by parameter name, normalised.
    ///
    /// # Errors
    ///
    /// [`InvalidTask`] if an argument has no JSON; enqueueing will give the same.
    pub fn args_json(&self) -> Result<&str, InvalidTask> {
        self.any.args_json()
    }
}

impl AnyCall {
    /// A call of a task that this process may not know, by its full name, as a front end receives it.
    ///
    /// `args` must be normalised and by name; `definition` is the task's where this process registers it.
    #[must_use]
    pub fn named(
        task: impl Into<Cow<'static, str>>,
        definition: Option<&'static TaskDefinition>,
        args: Json,
        options: CallOptions,
    ) -> Self {
        Self { task: task.into(), definition, args: Ok(args), options }
    }

    /// The full name of its task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Its task, where this process knows it.
    #[must_use]
    pub const fn definition(&self) -> Option<&'static TaskDefinition> {
        self.definition
    }

    /// The alias of the backend that it goes to.
    #[must_use]
    pub fn backend(&self) -> &str {
        let standard = self.definition.map_or("default", |task| task.options.backend);
        self.options.backend.as_deref().unwrap_or(standard)
    }

    /// Its options.
    #[must_use]
    pub const fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Its options, to be changed.
    pub const fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }

    /// Its arguments: a JSON object by parameter name, normalised.
    ///
    /// # Errors
    ///
    /// [`InvalidTask`] if an argument has no JSON; enqueueing will give the same.
    pub fn args_json(&self) -> Result<&str, InvalidTask> {
        self.args().map(Json::as_str)
    }

    /// The same as the JSON that it is.
    ///
    /// # Errors
    ///
    /// As [`args_json`](Self::args_json).
    pub fn args(&self) -> Result<&Json, InvalidTask> {
        self.args.as_ref().map_err(Clone::clone)
    }

    /// Replaces its arguments, which must be normalised and by name.
    pub fn set_args(&mut self, args: Json) {
        self.args = Ok(args);
    }
}

impl fmt::Debug for AnyCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.args.as_ref().map(|json| Shown { task: &self.task, json });
        f.debug_struct("AnyCall")
            .field("task", &self.task)
            .field("definition", &self.definition)
            .field("args", &args)
            .field("options", &self.options)
            .finish()
    }
}

impl<T: Task> From<Call<T>> for AnyCall {
    fn from(call: Call<T>) -> Self {
        call.erase()
    }
}

impl<T> Clone for Call<T> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), task: PhantomData }
    }
}

impl<T> PartialEq for Call<T> {
    fn eq(&self, other: &Self) -> bool {
        self.any == other.any
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}
