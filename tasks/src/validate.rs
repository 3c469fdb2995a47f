//! Checks a call in Django's order and makes a job of it: pure functions of the call, the backend and the time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::unique::same_number;
use crate::{
    AnyCall, BackendInfo, Idempotency, InvalidTask, JobId, JobSpec, Json, QueueLimits, QueueNames, RetryPolicy, Run,
    RunAfter, TaskOptions, Unique, check_name,
};

/// The most labels of a job.
const MAX_TAGS: usize = 16;
/// The longest metadata, in bytes of JSON.
const MAX_METADATA: usize = 16 * 1024;
/// The longest arguments, in bytes of JSON.
const MAX_ARGS: usize = 256 * 1024;
/// The deepest nesting of arguments and metadata.
const MAX_DEPTH: usize = 64;

/// Checks a call against the rules of its backend; the first broken one is reported.
///
/// The order is Django's (`validate_task`): async functions, priority support, priority range, `run_after`
/// support, `run_after` itself, the queue. Ours follow. (That the function is at module level and that its
/// context parameter is well-formed are rules of the macro, checked by the compiler.)
///
/// # Errors
///
/// [`InvalidTask`] names the task, the field, the value and the fix.
pub fn validate(call: &AnyCall, backend: &BackendInfo, now: Timestamp) -> Result<(), InvalidTask> {
    let standard = call.definition().map_or(TaskOptions::DEFAULT, |task| task.options);
    let options = call.options();
    let supports = backend.supports;
    let alias = &backend.alias;
    let wrong = |field: &str, detail: String| Err(InvalidTask::new(call.task(), format!("#/{field}"), detail));

    let is_async = call.definition().is_some_and(|task| matches!(task.run, Run::Async(_)));
    if is_async && !supports.async_task {
        return wrong("task", format!("is async, which the backend {alias:?} does not support; use a plain `fn`"));
    }
    let priority = options.priority.unwrap_or(i64::from(standard.priority));
    if priority != 0 && !supports.priority {
        return wrong(
            "priority",
            format!("is {priority}, but the backend {alias:?} does not support priority; leave it out"),
        );
    }
    if !(-100..=100).contains(&priority) {
        return wrong("priority", format!("is {priority}; give a whole number between -100 and 100"));
    }
    if options.run_after != RunAfter::Now && !supports.defer {
        return wrong(
            "run_after",
            format!("is set, but the backend {alias:?} does not support run_after; leave it out"),
        );
    }
    if let Err(problem) = options.run_after.resolve(now) {
        return wrong("run_after", problem);
    }
    let queue = options.queue.as_deref().unwrap_or(standard.queue);
    if let QueueNames::Only(names) = &backend.queues
        && !names.contains(queue)
    {
        let known: Vec<_> = names.iter().map(String::as_str).collect();
        let known = known.join(", ");
        return wrong(
            "queue",
            format!(
                "{queue:?} is not a queue of the backend {alias:?}, which has {known}; name one of them, or add it to the queues of the backend"
            ),
        );
    }
    if let Err(problem) = check_name(queue) {
        return wrong("queue", format!("{queue:?} {problem}"));
    }
    validate_ours(call, now)
}

/// The rules that Django does not have.
fn validate_ours(call: &AnyCall, now: Timestamp) -> Result<(), InvalidTask> {
    let options = call.options();
    let wrong = |field: &str, detail: String| Err(InvalidTask::new(call.task(), format!("#/{field}"), detail));
    if options.max_attempts == Some(0) {
        return wrong("max_attempts", "is 0; give at least 1".into());
    }
    if options.timeout.is_some_and(|timeout| timeout.as_millis() == 0) {
        return wrong("timeout_ms", "is less than a millisecond; give more, or leave it out for no timeout".into());
    }
    if let Err(problem) = options.expires.resolve(now) {
        return wrong("expires_at", problem);
    }
    if options.tags.len() > MAX_TAGS {
        return wrong("tags", format!("has {} tags; at most {MAX_TAGS} are allowed", options.tags.len()));
    }
    for (n, tag) in options.tags.iter().enumerate() {
        if let Err(problem) = check_name(tag) {
            return wrong(&format!("tags/{n}"), format!("{tag:?} {problem}"));
        }
    }
    if let Some(unique) = &options.unique {
        if let Some(problem) = unique.key.as_deref().and_then(|key| check_key(key, Unique::MAX_KEY).err()) {
            return wrong("unique/key", problem);
        }
        if unique.window.is_some_and(|window| window.as_millis() == 0) {
            return wrong("unique/for", "is less than a millisecond; give more, or leave it out".into());
        }
    }
    if let Some(problem) = options.limit_key.as_deref().and_then(|key| check_key(key, QueueLimits::MAX_KEY).err()) {
        return wrong("limit_key", problem);
    }
    if let Some(problem) = options.idempotency.as_ref().and_then(|request| request.check().err()) {
        return wrong("idempotency_key", problem);
    }
    match &options.metadata {
        None => {}
        Some(Err(problem)) => return wrong(&format!("metadata{}", problem.pointer), problem.problem.clone()),
        Some(Ok(json)) if !json.as_str().starts_with('{') => {
            return wrong("metadata", format!("is {}, not a JSON object", shortened(json.as_str())));
        }
        Some(Ok(json)) => check_size(call, "metadata", json, MAX_METADATA)?,
    }
    check_size(call, "args", call.args.as_ref().map_err(Clone::clone)?, MAX_ARGS)
}

/// The beginning of a text, for messages.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn check_size(call: &AnyCall, field: &str, json: &Json, limit: usize) -> Result<(), InvalidTask> {
    let wrong = |detail: String| Err(InvalidTask::new(call.task(), format!("#/{field}"), detail));
    let size = json.as_str().len();
    if size > limit {
        return wrong(format!(
            "is {size} bytes of JSON; at most {limit} are allowed, so store large data elsewhere and pass its key"
        ));
    }
    let depth = json.depth();
    if depth > MAX_DEPTH {
        return wrong(format!("is nested {depth} deep; at most {MAX_DEPTH} levels are allowed"));
    }
    Ok(())
}

/// The job that a call becomes, with everything it leaves out filled in from its task.
///
/// # Errors
///
/// As [`validate`], for what only the making finds: a time that cannot be reached from `now`.
pub fn resolve(call: AnyCall, now: Timestamp) -> Result<JobSpec, InvalidTask> {
    let AnyCall { task, definition, args, options } = call;
    let standard = definition.map_or(TaskOptions::DEFAULT, |task| task.options);
    let time = |field: &str, when: &RunAfter| {
        when.resolve(now).map_err(|problem| InvalidTask::new(task.as_ref(), format!("#/{field}"), problem))
    };
    let run_after = time("run_after", &options.run_after)?;
    let expires_at = match (&options.expires, standard.expires) {
        (RunAfter::Now, Some(pause)) => time("expires_at", &RunAfter::In(pause))?,
        (given, _) => time("expires_at", given)?,
    };
    let args = args?;
    let unique = options.unique.or_else(|| standard.unique.then(Unique::by_args));
    let unique = unique.map(|unique| unique.key_of(&task, &args, now));
    let limit_key = options.limit_key.or_else(|| standard.limit_key.and_then(|parameter| key_in(&args, parameter)));
    if let Some(problem) = limit_key.as_deref().and_then(|key| check_key(key, QueueLimits::MAX_KEY).err()) {
        return Err(InvalidTask::new(task.as_ref(), "#/limit_key", problem));
    }
    Ok(JobSpec {
        id: JobId::new(now),
        args,
        queue: options.queue.unwrap_or(Cow::Borrowed(standard.queue)),
        priority: options.priority.and_then(|p| i8::try_from(p).ok()).unwrap_or(standard.priority),
        enqueued_at: now,
        run_after,
        expires_at,
        timeout: options.timeout.or(standard.timeout),
        retry: RetryPolicy {
            max_attempts: options.max_attempts.unwrap_or(standard.max_attempts),
            backoff: options.backoff.unwrap_or(standard.backoff),
        },
        tags: options.tags,
        metadata: options.metadata.and_then(Result::ok),
        traceparent: options.traceparent.filter(|trace| is_traceparent(trace)),
        unique: unique.map(Box::new),
        limit_key: limit_key.map(String::into_boxed_str),
        task,
    })
}

/// The value of an argument as a key: a text as it is, a whole number without a fraction, anything else as JSON; null
/// is none.
pub(crate) fn key_in(args: &Json, parameter: &str) -> Option<String> {
    let mut args: BTreeMap<String, serde_json::Value> = args.get().ok()?;
    match args.remove(parameter)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(same_number(&number)),
        value => Some(value.to_string()),
    }
}

impl Idempotency {
    /// Checks its key.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the end of a sentence that names it.
    pub fn check(&self) -> Result<(), String> {
        check_key(&self.key, Self::MAX_KEY)
    }
}

/// Checks a key of the caller's choice, as the end of a sentence that names it.
fn check_key(key: &str, longest: usize) -> Result<(), String> {
    if key.is_empty() {
        return Err(format!("is empty; give 1 to {longest} bytes, or leave it out"));
    }
    if key.len() > longest {
        return Err(format!("is {} bytes long; at most {longest} are allowed, so give a hash of it", key.len()));
    }
    if key.chars().any(char::is_control) {
        return Err(format!("{key:?} contains control characters; leave them out"));
    }
    Ok(())
}

/// Whether a text is a W3C traceparent: `00-` 32 hex `-` 16 hex `-` 2 hex, ids not all zero.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    matches!(parts.as_slice(), [version, trace, parent, flags, ..]
        if hex(version, 2) && *version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2)
            && !zero(trace) && !zero(parent) && (*version != "00" || parts.len() == 4))
}
