//! A schedule: a call, and when it is enqueued again and again; and its definition, as stores keep it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::validate::key_in;
use crate::{
    AnyCall, BackendInfo, Backoff, Calendar, CallOptions, InvalidTask, JobSpec, Json, MAX_NAME, Missed, OnConflict,
    Problem, RunAfter, ScheduleDefinition, TaskOptions, Unique, UniqueUntil, check_name, parse_duration, resolve,
    validate,
};

/// What the label of a schedule's jobs starts with.
const LABEL: &str = "schedule:";
/// The member of their metadata that says which schedule and which tick they are of.
const MEMBER: &str = "schedule";
/// The most labels that a call of a schedule can have beside that.
const MAX_TAGS: usize = 15;

/// A call that is enqueued at the times of a cron line: give it to a board when that is built, or while it runs.
///
/// However many processes have it, each tick makes one job. Its jobs carry the label `schedule:NAME`, and in their
/// metadata `{"schedule": {"name": .., "tick": ..}}` says which tick they are of. While a job of it has not ended, the
/// next tick makes another one; let the call be [unique](crate::Call::unique) if it should not.
///
/// ```
/// use std::time::Duration;
/// use callboard_tasks::{Missed, Schedule, task};
///
/// #[task]
/// async fn send_digest(list: String) {}
///
/// # fn main() -> Result<(), callboard_tasks::InvalidSchedule> {
/// let digest = Schedule::cron("0 9 * * MON-FRI", send_digest::with("news").queue("mail"))?
///     .name("digest")
///     .timezone("Europe/Berlin")?
///     .missed(Missed::All { within: Duration::from_secs(6 * 3600) });
/// # let _ = digest;
///
/// let wrong = Schedule::cron("61 9 * * *", send_digest::with("news")).unwrap_err();
/// assert!(wrong.to_string().contains("has \"61\" as its minute"), "{wrong}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    name: Option<String>,
    calendar: Calendar,
    missed: Missed,
    work: Work,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    Call(AnyCall),
    /// To be looked up: the name of the task, its arguments as JSON, and what the call asks for besides.
    Named(String, String, CallOptions),
}

impl Schedule {
    /// Enqueues `call` at the times of a cron line of 5 fields, or of 6 with seconds in front; see [`Calendar`].
    ///
    /// # Errors
    ///
    /// [`InvalidSchedule`] if the line cannot be read or never fires.
    pub fn cron(line: &str, call: impl Into<AnyCall>) -> Result<Self, InvalidSchedule> {
        let call = call.into();
        Self::of(line, call.task().to_owned(), Work::Call(call))
    }

    /// Enqueues a call of a task that another process may have: by its full or its bare name, with arguments as JSON
    /// (an object by name or an array by position). The board looks it up when it is given the schedule.
    ///
    /// # Errors
    ///
    /// As [`cron`](Self::cron).
    pub fn named(
        line: &str,
        task: impl Into<String>,
        args: impl Into<String>,
        options: CallOptions,
    ) -> Result<Self, InvalidSchedule> {
        let task = task.into();
        Self::of(line, task.clone(), Work::Named(task, args.into(), options))
    }

    fn of(line: &str, task: String, work: Work) -> Result<Self, InvalidSchedule> {
        let calendar = Calendar::new(line, Calendar::UTC)
            .map_err(|(field, problem)| InvalidSchedule::new(task, format!("#/{field}"), problem))?;
        Ok(Self { name: None, calendar, missed: Missed::default(), work })
    }

    /// Its name, unique within its backend, at most 119 characters; unless said, that of its task.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Reads the line in this time zone of the IANA's database; unless said, in UTC.
    ///
    /// # Errors
    ///
    /// [`InvalidSchedule`] if there is no such zone.
    pub fn timezone(mut self, name: &str) -> Result<Self, InvalidSchedule> {
        let wrong = |problem| InvalidSchedule::new(self.known_as(), "#/timezone", problem);
        self.calendar = self.calendar.clone().in_zone(name).map_err(wrong)?;
        Ok(self)
    }

    /// What it does about ticks that passed while nobody could take them; unless said, [`Missed::One`].
    #[must_use]
    pub const fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// The name by which it is known.
    #[must_use]
    pub fn known_as(&self) -> &str {
        self.name.as_deref().unwrap_or(match &self.work {
            Work::Call(call) => call.task(),
            Work::Named(task, ..) => task,
        })
    }

    /// When it fires.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The name and the arguments of the call if that is still to be looked up.
    #[must_use]
    pub fn to_be_looked_up(&self) -> Option<(&str, &str)> {
        match &self.work {
            Work::Call(_) => None,
            Work::Named(task, args, _) => Some((task, args)),
        }
    }

    /// The same schedule with the call that was looked up.
    #[must_use]
    pub fn found(mut self, mut call: AnyCall) -> Self {
        if let Work::Named(_, _, options) = self.work {
            call.options = options.or(call.options);
        }
        self.name.get_or_insert_with(|| call.task().to_owned());
        self.work = Work::Call(call);
        self
    }

    /// The alias of the backend that it belongs to: that of its call.
    #[must_use]
    pub fn backend(&self) -> &str {
        match &self.work {
            Work::Call(call) => call.backend(),
            Work::Named(_, _, options) => options.backend.as_deref().unwrap_or("default"),
        }
    }

    /// Its definition, with everything that the call leaves to its task filled in, so that any process can fire it.
    ///
    /// # Errors
    ///
    /// [`InvalidSchedule`] if a rule of the backend is broken, or of schedules.
    pub fn define(&self, backend: &BackendInfo, now: Timestamp) -> Result<ScheduleDefinition, InvalidSchedule> {
        let name = self.known_as();
        let wrong = |field: &str, detail: String| Err(InvalidSchedule::new(name, format!("#/{field}"), detail));
        let Work::Call(call) = &self.work else {
            return wrong("task", "was not looked up; give the schedule to a board".into());
        };
        if let Err(problem) = check_name(name) {
            return wrong("name", format!("{name:?} {problem}"));
        }
        let longest = MAX_NAME - LABEL.len();
        if name.len() > longest {
            return wrong("name", format!("is {} bytes long; a schedule's has at most {longest}", name.len()));
        }
        if call.options.tags.len() > MAX_TAGS {
            return wrong("tags", format!("has {}; a schedule's call has at most {MAX_TAGS}", call.options.tags.len()));
        }
        if call.options.idempotency.is_some() {
            return wrong("idempotency", "makes no sense here: each tick makes one job; leave it out".into());
        }
        validate(call, backend, now).map_err(|invalid| InvalidSchedule::of(name, invalid))?;
        let written = Written::of(self, call)?;
        let text = serde_json::to_string(&written).expect("names, numbers and JSON have JSON");
        Ok(ScheduleDefinition { name: name.to_owned(), definition: Json::from_stored(text) })
    }
}

/// A schedule as it was read back from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// When it fires.
    pub calendar: Calendar,
    /// What it does about ticks that nobody took in time.
    pub missed: Missed,
    call: AnyCall,
}

impl Definition {
    /// Reads what [`Schedule::define`] wrote. Members that only a later version knows are passed over.
    ///
    /// # Errors
    ///
    /// What cannot be read: then a process of another version has written it, and must fire it.
    pub fn read(definition: &Json) -> Result<Self, String> {
        let written: Written = serde_json::from_str(definition.as_str()).map_err(|error| error.to_string())?;
        written.read()
    }

    /// What it enqueues.
    #[must_use]
    pub const fn call(&self) -> &AnyCall {
        &self.call
    }

    /// The call of one tick of the schedule of this name, or of a run that somebody asked for.
    #[must_use]
    pub fn call_at(&self, name: &str, tick: Option<Timestamp>) -> AnyCall {
        let mut call = self.call.clone();
        call.options.tags.push(format!("{LABEL}{name}"));
        let metadata = call.options.metadata.take().and_then(Result::ok);
        let mut members: serde_json::Map<String, serde_json::Value> =
            metadata.and_then(|json| json.get().ok()).unwrap_or_default();
        let tick = tick.map(|tick| tick.to_string());
        members.insert(MEMBER.to_owned(), serde_json::json!({ "name": name, "tick": tick }));
        call.options.metadata = Some(Json::from_value(&members));
        call
    }

    /// The job of one tick, enqueued at `now`.
    ///
    /// # Errors
    ///
    /// [`InvalidTask`] if it cannot be made at that time.
    pub fn job(&self, name: &str, tick: Timestamp, now: Timestamp) -> Result<JobSpec, InvalidTask> {
        resolve(self.call_at(name, Some(tick)), now)
    }
}

/// A definition as it is kept. What is usual is left out, so that a new member does not make another schedule of it.
#[derive(Serialize, Deserialize)]
struct Written {
    cron: String,
    timezone: String,
    missed: String,
    task: String,
    args: Json,
    queue: String,
    #[serde(default, skip_serializing_if = "is_usual")]
    priority: i8,
    max_attempts: u32,
    #[serde(default, skip_serializing_if = "is_usual")]
    backoff: Backoff,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unique: Option<WrittenUnique>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WrittenUnique {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default)]
    until: UniqueUntil,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Written {
    fn of(schedule: &Schedule, call: &AnyCall) -> Result<Self, InvalidSchedule> {
        let name = schedule.known_as();
        let options = &call.options;
        let standard = call.definition.map_or(TaskOptions::DEFAULT, |task| task.options);
        let pause = |field: &str, when: &RunAfter| {
            pause(when).map_err(|problem| InvalidSchedule::new(name, format!("#/{field}"), problem))
        };
        let args = call.args.clone().map_err(|invalid| InvalidSchedule::of(name, invalid))?;
        let metadata = options.metadata.clone().and_then(Result::ok);
        let members = metadata.as_ref().and_then(|json| json.get::<serde_json::Map<_, serde_json::Value>>().ok());
        if members.is_some_and(|members| members.contains_key(MEMBER)) {
            let detail = format!("has a member {MEMBER:?}, which says which tick a job is of; name it otherwise");
            return Err(InvalidSchedule::new(name, "#/metadata", detail));
        }
        let limit_key =
            options.limit_key.clone().or_else(|| standard.limit_key.and_then(|parameter| key_in(&args, parameter)));
        let unique = options.unique.clone().or_else(|| standard.unique.then(Unique::by_args));
        Ok(Self {
            cron: schedule.calendar.line().to_owned(),
            timezone: schedule.calendar.timezone().to_owned(),
            missed: schedule.missed.to_string(),
            task: call.task().to_owned(),
            args,
            queue: options.queue.as_deref().unwrap_or(standard.queue).to_owned(),
            priority: options.priority.and_then(|p| i8::try_from(p).ok()).unwrap_or(standard.priority),
            max_attempts: options.max_attempts.unwrap_or(standard.max_attempts),
            backoff: options.backoff.unwrap_or(standard.backoff),
            timeout_ms: options.timeout.or(standard.timeout).map(millis),
            delay_ms: pause("run_after", &options.run_after)?,
            expires_ms: pause("expires", &options.expires)?.or(standard.expires.map(millis)),
            unique: unique.map(|unique| WrittenUnique {
                key: unique.key,
                until: unique.until,
                for_ms: unique.window.map(millis),
            }),
            tags: options.tags.clone(),
            metadata,
            limit_key,
        })
    }

    fn read(self) -> Result<Definition, String> {
        let calendar =
            Calendar::new(&self.cron, &self.timezone).map_err(|(field, problem)| format!("{field} {problem}"))?;
        let missed = self.missed.parse().map_err(|problem| format!("missed {problem}"))?;
        let unique = self.unique.map(|written| Unique {
            key: written.key,
            until: written.until,
            window: written.for_ms.map(Duration::from_millis),
            // A tick whose key is held makes no job, whatever was asked for.
            on_conflict: OnConflict::Return,
        });
        let after = |ms: Option<u64>| ms.map_or(RunAfter::Now, |ms| RunAfter::In(Duration::from_millis(ms)));
        let options = CallOptions {
            queue: Some(Cow::Owned(self.queue)),
            priority: Some(i64::from(self.priority)),
            max_attempts: Some(self.max_attempts),
            backoff: Some(self.backoff),
            timeout: self.timeout_ms.map(Duration::from_millis),
            run_after: after(self.delay_ms),
            expires: after(self.expires_ms),
            unique,
            tags: self.tags,
            metadata: self.metadata.map(Ok),
            limit_key: self.limit_key,
            ..CallOptions::default()
        };
        Ok(Definition { calendar, missed, call: AnyCall::named(self.task, None, self.args, options) })
    }
}

/// How long after its tick: a schedule says itself when that is.
fn pause(when: &RunAfter) -> Result<Option<u64>, String> {
    match when {
        RunAfter::Now => Ok(None),
        RunAfter::In(pause) => Ok(Some(millis(*pause))),
        RunAfter::Text(text) => parse_duration(text).map(|pause| Some(millis(pause))).map_err(|_| {
            format!("is {text:?}; a schedule's call waits or expires so long after its tick: write \"5m\"")
        }),
        RunAfter::At(at) => Err(format!("is {at}; a schedule's call waits or expires so long after its tick: give 5m")),
    }
}

/// A schedule that breaks a rule: which one, which field, what is wrong and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSchedule {
    /// Its name, or that of its task.
    pub schedule: String,
    /// The rules it breaks.
    pub problems: Vec<Problem>,
}

impl InvalidSchedule {
    /// A schedule with one problem; the pointer is to a field, `#/cron`.
    pub fn new(schedule: impl Into<String>, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { schedule: schedule.into(), problems: vec![Problem::new(pointer, detail)] }
    }

    /// A schedule whose call breaks rules.
    pub fn of(schedule: impl Into<String>, call: InvalidTask) -> Self {
        Self { schedule: schedule.into(), problems: call.problems }
    }
}

impl fmt::Display for InvalidSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schedule {:?} is refused: ", self.schedule)?;
        for (n, problem) in self.problems.iter().enumerate() {
            let field = problem.pointer.trim_start_matches("#/").replace('/', ".");
            write!(f, "{}{field} {}", if n == 0 { "" } else { "; " }, problem.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidSchedule {}
