//! What bodies look like, written as types for the document alone: answers are written by hand (`json.rs`), and the
//! tests hold them against this.
#![allow(dead_code, reason = "they are read by their derive")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// One of Django's four.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Ready,
    Running,
    Successful,
    Failed,
}

/// The detail behind a status.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Phase {
    Scheduled,
    Ready,
    Parked,
    Running,
    Cancelling,
    RetryWait,
    Successful,
    Failed,
    Cancelled,
    Expired,
    Quarantined,
}

/// A task as every route gives it.
#[derive(ToSchema)]
pub(super) struct Task {
    /// A UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// The full name of the task.
    task: String,
    status: Status,
    phase: Phase,
    /// Whether nothing more will happen by itself.
    is_finished: bool,
    backend: String,
    queue: String,
    #[schema(minimum = -100, maximum = 100)]
    priority: i32,
    /// By parameter name.
    #[schema(value_type = Object)]
    args: Value,
    /// Attempts that have started.
    #[schema(minimum = 0)]
    attempts: u32,
    #[schema(minimum = 1)]
    max_attempts: u32,
    #[schema(format = "date-time")]
    enqueued_at: String,
    /// The earliest start, as it was asked for.
    #[schema(required, format = "date-time")]
    run_after: Option<String>,
    /// When it may run next, if it waits for a time of its own.
    #[schema(required, format = "date-time")]
    next_run_at: Option<String>,
    /// The start of the first attempt.
    #[schema(required, format = "date-time")]
    started_at: Option<String>,
    #[schema(required, format = "date-time")]
    last_attempted_at: Option<String>,
    #[schema(required, format = "date-time")]
    finished_at: Option<String>,
    /// The worker process of each attempt.
    worker_ids: Vec<String>,
    /// Any JSON; null also while there is none.
    return_value: Value,
    /// One for each failed attempt.
    errors: Vec<TaskError>,
    #[schema(required)]
    progress: Option<Progress>,
    /// What its attempts wrote to their log, oldest first; only where it is asked for.
    #[schema(nullable = false)]
    logs: Option<Vec<LogLine>>,
    tags: Vec<String>,
    #[schema(value_type = Object)]
    metadata: Value,
    /// Grows with every change.
    #[schema(minimum = 1)]
    version: u64,
    /// There, and true, if an enqueue found this task instead of making it.
    #[schema(nullable = false)]
    deduplicated: Option<bool>,
    links: Links,
}

/// How an attempt failed.
#[derive(ToSchema)]
pub(super) struct TaskError {
    /// The type of the error, or `Panic`, `Timeout`, `Cancelled`, `Lost`.
    exception_class: String,
    message: String,
    /// Only for callers with `tasks:debug`.
    #[schema(nullable = false)]
    traceback: Option<String>,
    #[schema(minimum = 0)]
    attempt: u32,
    #[schema(format = "date-time")]
    at: String,
}

/// A line that an attempt wrote.
#[derive(ToSchema)]
pub(super) struct LogLine {
    #[schema(minimum = 0)]
    attempt: u32,
    #[schema(format = "date-time")]
    at: String,
    message: String,
}

/// How far an attempt says it has come.
#[derive(ToSchema)]
pub(super) struct Progress {
    #[schema(minimum = 0)]
    done: u64,
    #[schema(minimum = 0)]
    total: u64,
}

/// Paths of the task.
#[derive(ToSchema)]
pub(super) struct Links {
    #[schema(rename = "self")]
    this: String,
    events: String,
    cancel: String,
}

/// A page of tasks.
#[derive(ToSchema)]
pub(super) struct TaskPage {
    items: Vec<Task>,
    /// What to give as `cursor` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// A call of a task.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    /// The full name, or the function's while that is unambiguous.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    task: String,
    /// An object by parameter name, or an array by position.
    #[schema(nullable = false)]
    args: Option<Args>,
    /// The backend; the task's own unless given.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    backend: Option<String>,
    /// The queue; the task's own unless given.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    queue: Option<String>,
    /// Larger runs sooner.
    #[schema(minimum = -100, maximum = 100)]
    priority: Option<i32>,
    /// A time, or a pause such as `1h30m`.
    run_after: Option<When>,
    #[schema(minimum = 1, maximum = 2147483647)]
    max_attempts: Option<i32>,
    /// How long an attempt may take, in milliseconds.
    #[schema(minimum = 1, maximum = 3162240000000i64)]
    timeout_ms: Option<i64>,
    /// A time, or a pause: what has not started by then fails.
    expires_at: Option<When>,
    #[schema(max_items = 16)]
    tags: Option<Vec<Tag>>,
    /// Any object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// That there shall be one of its kind.
    unique: Option<Unique>,
    /// With whom it shares the limits of its queue that count by key.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    limit_key: Option<String>,
}

/// That there shall be one call of its kind: of the same task with the same key, or without a key the same arguments.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unique {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    key: Option<String>,
    /// Until when a task holds the key; `finished` unless given.
    until: Option<UniqueUntil>,
    /// It holds the key at most this long, such as `10m`.
    #[schema(value_type = Option<Pause>)]
    r#for: Option<Pause>,
    /// What happens to a call whose key is held; `return` unless given.
    on_conflict: Option<OnConflict>,
}

/// Until when a task holds its key.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum UniqueUntil {
    Started,
    Finished,
}

/// What happens to a call whose key is held: it gets the task that is there, is refused, or gives it its arguments.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum OnConflict {
    Return,
    Reject,
    Replace,
}

/// A pause: whole numbers with their units, the larger ones first.
#[derive(ToSchema)]
#[schema(examples("10m", "1h30m"))]
pub(super) struct Pause(String);

/// Arguments: an object by parameter name, or an array by position.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[serde(untagged)]
pub(super) enum Args {
    #[schema(value_type = Object)]
    ByName(BTreeMap<String, Value>),
    ByPosition(Vec<Value>),
}

/// A time in RFC 3339 with its zone, or a pause from now on: whole numbers with their units, the larger ones first.
#[derive(ToSchema)]
#[schema(examples("5m", "2026-11-22T10:00:00Z"))]
pub(super) struct When(String);

/// A label.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
pub(super) struct Tag(String);

/// Several calls.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Whether all of them are enqueued or none; true unless given.
    atomic: Option<bool>,
    #[schema(max_items = 1000)]
    tasks: Vec<Call>,
}

/// The tasks of a batch in one transaction.
#[derive(ToSchema)]
pub(super) struct Batched {
    /// In the order of the calls.
    items: Vec<Task>,
}

/// What became of calls that stand each for themselves.
#[derive(ToSchema)]
pub(super) struct BatchReport {
    /// In the order of the calls.
    items: Vec<BatchItem>,
    #[schema(minimum = 0)]
    accepted: u64,
    #[schema(minimum = 0)]
    rejected: u64,
}

/// What became of one call: `id` if it was enqueued, else `problem`.
#[derive(ToSchema)]
pub(super) struct BatchItem {
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    #[schema(nullable = false, format = "uuid")]
    id: Option<String>,
    #[schema(nullable = false)]
    deduplicated: Option<bool>,
    #[schema(nullable = false)]
    problem: Option<ItemProblem>,
}

/// The problem of one call of a batch.
#[derive(ToSchema)]
pub(super) struct ItemProblem {
    #[schema(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    #[schema(nullable = false)]
    did_you_mean: Option<Vec<String>>,
    /// The id of the task that stands in the way of this one.
    #[schema(nullable = false)]
    existing: Option<String>,
}

/// What to change of a task that waits.
#[derive(ToSchema)]
#[schema(min_properties = 1)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskChange {
    /// The earliest start; null is at once.
    run_after: Option<When>,
    #[schema(minimum = -100, maximum = 100, nullable = false)]
    priority: Option<i32>,
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$", nullable = false)]
    queue: Option<String>,
    #[schema(minimum = 1, maximum = 2147483647, nullable = false)]
    max_attempts: Option<i32>,
}

/// One action on all tasks that fit a filter.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// What is done to each, as its own route does it.
    action: BulkAction,
    /// The conditions, of which a task must fit all: those that a list has.
    #[schema(value_type = Object)]
    filter: Value,
    /// Every task of the backend, where there are no conditions.
    all: Option<bool>,
    /// Only count.
    dry_run: Option<bool>,
}

/// What is done to each task.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum BulkAction {
    Retry,
    Cancel,
    Delete,
}

/// How many tasks a bulk action would look at.
#[derive(ToSchema)]
pub(super) struct BulkCount {
    action: BulkAction,
    #[schema(minimum = 0, maximum = 10000)]
    matched: u64,
    /// Whether these are all.
    complete: bool,
}

/// A queue.
#[derive(ToSchema)]
pub(super) struct Queue {
    name: String,
    backend: String,
    paused: bool,
    counts: QueueCounts,
    /// When the task became ready that has been for the longest.
    #[schema(required, format = "date-time")]
    oldest_ready_at: Option<String>,
    #[schema(required, minimum = 0)]
    oldest_ready_age_seconds: Option<f64>,
    limits: QueueLimits,
}

/// How many tasks are in each phase; of what is large, about so many.
#[derive(ToSchema)]
pub(super) struct QueueCounts {
    scheduled: u64,
    ready: u64,
    parked: u64,
    running: u64,
    cancelling: u64,
    retry_wait: u64,
    successful: u64,
    failed: u64,
    cancelled: u64,
    expired: u64,
    quarantined: u64,
}

/// What a queue is limited to, over all processes; null is not at all.
#[derive(ToSchema)]
pub(super) struct QueueLimits {
    /// So many run at once.
    #[schema(required)]
    concurrency: Option<u64>,
    /// So many start in a time: `100/1m`.
    #[schema(required)]
    rate: Option<String>,
    /// The same for tasks with one limit key.
    #[schema(required)]
    key_concurrency: Option<u64>,
    #[schema(required)]
    key_rate: Option<String>,
    /// So many may wait.
    #[schema(required)]
    depth: Option<u64>,
}

/// What to change of the limits of a queue; null takes one away.
#[derive(ToSchema)]
#[schema(min_properties = 1)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueChange {
    #[schema(minimum = 1, maximum = 4294967295i64)]
    concurrency: Option<i64>,
    #[schema(pattern = "^[1-9][0-9]{0,3}/[1-9][0-9]{0,2}(s|m|h)$")]
    rate: Option<String>,
    #[schema(minimum = 1, maximum = 4294967295i64)]
    key_concurrency: Option<i64>,
    #[schema(pattern = "^[1-9][0-9]{0,3}/[1-9][0-9]{0,2}(s|m|h)$")]
    key_rate: Option<String>,
    #[schema(minimum = 1)]
    depth: Option<i64>,
}

/// Why a task is not running.
#[derive(ToSchema)]
pub(super) struct Why {
    /// Whether nothing holds it back.
    runnable: bool,
    reasons: Vec<Reason>,
}

/// What holds a task back, or what it does instead.
#[derive(ToSchema)]
pub(super) struct Reason {
    code: ReasonCode,
    detail: String,
}

/// The reasons there are.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum ReasonCode {
    Scheduled,
    QueuePaused,
    NoWorker,
    UnregisteredTask,
    ConcurrencyLimit,
    RateLimited,
    RetryWait,
    BehindOthers,
    Draining,
    Running,
    Cancelling,
    Finished,
}

/// The queues of a backend.
#[derive(ToSchema)]
pub(super) struct QueueList {
    items: Vec<Queue>,
}

/// A process that runs tasks of a backend.
#[derive(ToSchema)]
pub(super) struct Process {
    #[schema(format = "uuid")]
    id: String,
    backend: String,
    /// Whether it is the one that answers.
    this_process: bool,
    #[schema(format = "date-time")]
    lease_ends_at: String,
    lease_held: bool,
    /// What it runs, newest first; at most 200.
    running: Vec<RunningTask>,
    /// Its worker actors, if it is the one that answers.
    #[schema(required)]
    workers: Option<Vec<WorkerActor>>,
}

/// A task that a process runs.
#[derive(ToSchema)]
pub(super) struct RunningTask {
    #[schema(format = "uuid")]
    id: String,
    task: String,
    queue: String,
    #[schema(required, format = "date-time")]
    since: Option<String>,
}

/// A worker actor.
#[derive(ToSchema)]
pub(super) struct WorkerActor {
    number: u64,
    alive: bool,
    /// How often it was started again after a panic.
    restarts: u64,
    #[schema(required)]
    blocked: Option<BlockedBy>,
}

/// The task that holds a worker's thread for longer than a second.
#[derive(ToSchema)]
pub(super) struct BlockedBy {
    #[schema(format = "uuid")]
    id: String,
    task: String,
    seconds: u64,
}

/// The processes that run tasks.
#[derive(ToSchema)]
pub(super) struct WorkerList {
    items: Vec<Process>,
}

/// A schedule; of one that this version cannot read, `problem` says why, and what it cannot know is null.
#[derive(ToSchema)]
pub(super) struct Schedule {
    name: String,
    backend: String,
    #[schema(required)]
    cron: Option<String>,
    #[schema(required)]
    timezone: Option<String>,
    /// The times in words.
    #[schema(required)]
    description: Option<String>,
    /// What happens to ticks that were missed.
    #[schema(required)]
    missed: Option<String>,
    #[schema(required)]
    task: Option<String>,
    #[schema(required, value_type = Option<Object>)]
    args: Option<Value>,
    #[schema(required)]
    queue: Option<String>,
    #[schema(required)]
    priority: Option<i32>,
    /// Whether a process that is alive declares it.
    declared: bool,
    paused: bool,
    #[schema(format = "date-time")]
    since: String,
    #[schema(required, format = "date-time")]
    last_tick: Option<String>,
    /// The next five times.
    next: Vec<String>,
    #[schema(required)]
    problem: Option<String>,
    links: ScheduleLinks,
}

/// Paths of the schedule.
#[derive(ToSchema)]
pub(super) struct ScheduleLinks {
    run: String,
    pause: String,
    resume: String,
}

/// The schedules.
#[derive(ToSchema)]
pub(super) struct ScheduleList {
    items: Vec<Schedule>,
}

/// The tasks that can be enqueued here.
#[derive(ToSchema)]
pub(super) struct Registry {
    items: Vec<RegisteredTask>,
}

/// A task that can be enqueued here.
#[derive(ToSchema)]
pub(super) struct RegisteredTask {
    name: String,
    /// Its doc comment.
    description: String,
    /// Its own queue.
    queue: String,
    parameters: Vec<Parameter>,
}

/// A parameter of a task.
#[derive(ToSchema)]
pub(super) struct Parameter {
    name: String,
    /// The Rust type, as it is written.
    #[schema(rename = "type")]
    kind: String,
    required: bool,
    /// Its JSON Schema, where that is known.
    #[schema(value_type = Object, required = false)]
    schema: Value,
    /// What it is if a call does not give it; there only where there is one.
    #[schema(required = false)]
    default: Value,
}

/// What was checked.
#[derive(ToSchema)]
pub(super) struct Health {
    /// By name.
    checks: BTreeMap<String, Check>,
}

/// The outcome of one check.
#[derive(ToSchema)]
pub(super) struct Check {
    status: CheckStatus,
    /// Only for callers with `metrics:read`.
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// How a check came out.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum CheckStatus {
    Ok,
    Warning,
    Failed,
}

/// A problem (RFC 9457).
#[derive(ToSchema)]
pub(super) struct Problem {
    /// `/problems/<slug>`, a page that says what to do.
    #[schema(rename = "type")]
    kind: String,
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    detail: String,
    request_id: String,
    /// The fields at fault.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    #[schema(nullable = false)]
    did_you_mean: Option<Vec<String>>,
    /// The id of the task that stands in the way of this one.
    #[schema(nullable = false)]
    existing: Option<String>,
}

/// A field at fault.
#[derive(ToSchema)]
pub(super) struct FieldError {
    /// A JSON pointer into the body, as a fragment.
    pointer: String,
    detail: String,
}
