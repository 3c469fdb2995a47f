//! `[tasks.<alias>]`: what kind of backend it is, and how it works.

use std::time::Duration;

use callboard_actors::Backend;
use callboard_tasks::{MemoryOptions, check_name, near_names};

use super::section::Section;

/// The kinds of this version, as they are written.
const KINDS: [(&str, BackendKind); 3] =
    [("immediate", BackendKind::Immediate), ("dummy", BackendKind::Dummy), ("memory", BackendKind::Memory)];

/// The kinds of later versions.
const LATER: [&str; 2] = ["sqlite", "postgres"];

/// A lease below this is lost to the smallest delay of the system.
const SHORTEST_LEASE: Duration = Duration::from_millis(300);

/// Beyond this, a number of threads is a slip of the keyboard.
const MOST_WORKERS: usize = 1_024;

/// What a backend is, and how it works; `None` is the default that the field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// What it is.
    pub kind: BackendKind,
    /// The queues a call may name; empty is any name. Default: `default` alone.
    pub queues: Option<Vec<String>>,
    /// Worker actors, one thread each. Default: one for each core.
    pub workers: Option<usize>,
    /// Attempts running at once in this process. Default: 100.
    pub concurrency: Option<usize>,
    /// How long this process may be silent before others take its jobs. Default: 3 s.
    pub lease: Option<Duration>,
    /// How long successful jobs are kept. Default: 7 days.
    pub keep_successful: Option<Duration>,
    /// How long failed jobs are kept. Default: 30 days.
    pub keep_failed: Option<Duration>,
    /// How many finished jobs are kept at most. Default: 100,000.
    pub keep_max: Option<usize>,
}

/// What a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// Runs each call while its enqueuer waits.
    Immediate,
    /// Records calls and never runs them.
    Dummy,
    /// Keeps jobs in this process's memory.
    Memory,
}

/// Reads the table of one backend; `None` if its kind is not known.
pub(super) fn read(mut section: Section<'_>) -> Option<BackendSettings> {
    let written = section.has("backend");
    let kind = section.read("backend", "memory", kind).map(|found| found.value);
    if !written {
        section.missing("backend", "write backend = \"memory\", \"immediate\" or \"dummy\"");
    }
    // A url without a known backend is no mistake of its own: it belongs to the kind that was meant.
    match kind {
        Some(_) => section.useless("url", "with a backend that keeps nothing outside the process"),
        None => section.pass_over("url"),
    }
    let queues = queues(&mut section);
    let mut settings = BackendSettings { queues, ..BackendSettings::of(kind.unwrap_or(BackendKind::Memory)) };
    if let Some(options) = section.section("options") {
        read_options(options, &mut settings);
    }
    section.later("work");
    section.later("limits");
    section.finish();
    kind.map(|_| settings)
}

fn kind(text: &str) -> Result<BackendKind, String> {
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == text) {
        return Ok(*kind);
    }
    if LATER.contains(&text) {
        return Err(format!("is {text:?}, which is not part of this version yet; write \"memory\""));
    }
    let names = || KINDS.iter().map(|(name, _)| *name);
    Err(match near_names(text, names()).first() {
        Some(near) => format!("is {text:?}; did you mean {near:?}?"),
        None => {
            format!("is {text:?}; write {}", names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
        }
    })
}

fn queues(section: &mut Section<'_>) -> Option<Vec<String>> {
    let mut queues = Vec::new();
    for name in section.texts("queues", "[\"default\", \"mail\"]")? {
        match check_name(&name.value) {
            Ok(()) if queues.contains(&name.value) => {
                section.note(name.problem(format!("is {:?}, which stands in the list twice", name.value)));
            }
            Ok(()) => queues.push(name.value),
            Err(problem) => section.note(name.problem(problem)),
        }
    }
    Some(queues)
}

fn read_options(mut options: Section<'_>, into: &mut BackendSettings) {
    if into.kind != BackendKind::Memory {
        for key in ["workers", "concurrency", "lease", "keep_successful", "keep_failed", "keep_max"] {
            options.useless(key, "with a backend that has no workers and no store");
        }
        return options.finish();
    }
    into.workers = options.number("workers", 1..=MOST_WORKERS).map(|found| found.value);
    into.concurrency = options.number("concurrency", 1..=1_000_000).map(|found| found.value);
    into.lease = options.duration("lease", SHORTEST_LEASE).map(|found| found.value);
    into.keep_successful = options.duration("keep_successful", Duration::ZERO).map(|found| found.value);
    into.keep_failed = options.duration("keep_failed", Duration::ZERO).map(|found| found.value);
    into.keep_max = options.number("keep_max", 0..=1_000_000_000).map(|found| found.value);
    options.finish();
}

impl BackendSettings {
    /// A backend of this kind that works as is usual.
    #[must_use]
    pub const fn of(kind: BackendKind) -> Self {
        Self {
            kind,
            queues: None,
            workers: None,
            concurrency: None,
            lease: None,
            keep_successful: None,
            keep_failed: None,
            keep_max: None,
        }
    }
}

impl From<BackendSettings> for Backend {
    fn from(settings: BackendSettings) -> Self {
        let mut backend = match settings.kind {
            BackendKind::Immediate => Self::immediate(),
            BackendKind::Dummy => Self::dummy(),
            BackendKind::Memory => Self::memory(),
        };
        if let Some(queues) = settings.queues {
            backend = backend.queues(queues);
        }
        if let Some(workers) = settings.workers {
            backend = backend.workers(workers);
        }
        if let Some(concurrency) = settings.concurrency {
            backend = backend.concurrency(concurrency);
        }
        if let Some(lease) = settings.lease {
            backend = backend.lease(lease);
        }
        if let Some(keep_max) = settings.keep_max {
            backend = backend.keep_max(keep_max);
        }
        let standard = MemoryOptions::default();
        backend.keep(
            settings.keep_successful.unwrap_or(standard.keep_successful),
            settings.keep_failed.unwrap_or(standard.keep_failed),
        )
    }
}
