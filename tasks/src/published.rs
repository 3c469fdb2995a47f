//! What a process publishes of its tasks, so that others can enqueue them without their code.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::validate::key_in;
use crate::{CallOptions, Json, Redaction, RetryPolicy, RunAfter, TaskDefinition, Unique};

/// A task as it is published for front ends that do not have its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its full name.
    pub name: String,
    /// Its doc comment.
    pub description: String,
    /// Its arguments, in order.
    pub parameters: Vec<PublishedParameter>,
    /// Its queue unless a call says otherwise.
    pub queue: String,
    /// Whether it may be enqueued over HTTP.
    pub http: bool,
    /// Its priority unless a call says otherwise.
    #[serde(default)]
    pub priority: i8,
    /// How often and how soon it is tried again unless a call says otherwise.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long an attempt may take unless a call says otherwise; `None` is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long after its enqueue a call may still start unless it says otherwise; `None` is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
    /// Which of its arguments are never shown.
    #[serde(default, skip_serializing_if = "Redaction::is_usual")]
    pub redact: Redaction,
    /// Whether its calls are unique by their arguments unless one says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// The argument whose value is the limit key of its calls unless one says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<String>,
}

/// An argument of a published task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedParameter {
    /// Its name.
    pub name: String,
    /// Its Rust type, as written.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether a call must give it.
    pub required: bool,
    /// What it is if a call does not give it; null is a value too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::job::present")]
    pub default: Option<Json>,
}

impl Published {
    /// What a call with these arguments asks for unless it says otherwise: what the task's own code would have it ask
    /// for.
    #[must_use]
    pub fn options_of(&self, args: &Json) -> CallOptions {
        CallOptions {
            queue: Some(self.queue.clone().into()),
            priority: Some(self.priority.into()),
            max_attempts: Some(self.retry.max_attempts),
            backoff: Some(self.retry.backoff),
            timeout: self.timeout,
            expires: self.expires.map_or(RunAfter::Now, RunAfter::In),
            unique: self.unique.then(Unique::by_args),
            limit_key: self.limit_key.as_deref().and_then(|parameter| key_in(args, parameter)),
            ..CallOptions::default()
        }
    }
}

impl From<&TaskDefinition> for Published {
    fn from(task: &TaskDefinition) -> Self {
        let parameters = task.parameters.iter().map(|p| PublishedParameter {
            name: p.name.into(),
            type_name: p.type_name.into(),
            required: p.required,
            default: p.default.map(|make| make()),
        });
        let options = &task.options;
        Self {
            name: task.name.into(),
            description: task.description.into(),
            parameters: parameters.collect(),
            queue: options.queue.into(),
            http: options.http,
            priority: options.priority,
            retry: RetryPolicy { max_attempts: options.max_attempts, backoff: options.backoff },
            timeout: options.timeout,
            expires: options.expires,
            redact: Redaction::of(task),
            unique: options.unique,
            limit_key: options.limit_key.map(Into::into),
        }
    }
}
