//! `[tasks.<alias>]`: what kind of backend it is, and how it works.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callboard_actors::{Backend, Work};
use callboard_tasks::{MemoryOptions, QueueLimits, check_name, near_names};

use super::section::{Found, Section};
use super::tree::Place;
use super::{limits, work};

/// The kinds, as they are written.
const KINDS: [(&str, BackendKind); 5] = [
    ("immediate", BackendKind::Immediate),
    ("dummy", BackendKind::Dummy),
    ("memory", BackendKind::Memory),
    ("sqlite", BackendKind::Sqlite),
    ("postgres", BackendKind::Postgres),
];

/// The file of a SQLite backend that names none.
pub(crate) const SQLITE_FILE: &str = "callboard.db";

/// A lease below this is lost to the smallest delay of the system.
const SHORTEST_LEASE: Duration = Duration::from_millis(300);

/// Beyond this, a number of threads is a slip of the keyboard.
const MOST_WORKERS: usize = 1_024;

/// What a backend is, and how it works; `None` is the default that the field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// What it is.
    pub kind: BackendKind,
    /// Where a durable one keeps its jobs. Default: `callboard.db` for SQLite; PostgreSQL has none.
    pub place: Option<StorePlace>,
    /// The schema of a PostgreSQL backend. Default: `callboard`.
    pub schema: Option<String>,
    /// Whether PostgreSQL is reached through a pooler in transaction mode. Default: no.
    pub pooler: bool,
    /// Where a PostgreSQL backend behind a pooler listens for notices; none is only heard of at the beat.
    pub listen_url: Option<DatabaseUrl>,
    /// The queues a call may name; empty is any name. Default: `default` alone.
    pub queues: Option<Vec<String>>,
    /// Worker actors, one thread each. Default: one for each core.
    pub workers: Option<usize>,
    /// Attempts running at once in this process. Default: 100.
    pub concurrency: Option<usize>,
    /// How long this process may be silent before others take its jobs. Default: 3 s.
    pub lease: Option<Duration>,
    /// How long an attempt may run before it is reported. Default: 10 minutes.
    pub stuck_after: Option<Duration>,
    /// How long successful jobs are kept. Default: 7 days.
    pub keep_successful: Option<Duration>,
    /// How long failed jobs are kept. Default: 30 days.
    pub keep_failed: Option<Duration>,
    /// How many finished jobs are kept at most. Default: 100,000.
    pub keep_max: Option<usize>,
    /// Which queues this process works. Default: all.
    pub work: Option<Work>,
    /// The limits of its queues, which this process sets when it starts. Default: none.
    pub limits: BTreeMap<String, QueueLimits>,
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
    /// Keeps jobs in one file.
    Sqlite,
    /// Keeps jobs in a PostgreSQL database.
    Postgres,
}

impl BackendKind {
    /// Whether it keeps jobs for workers.
    const fn has_store(self) -> bool {
        matches!(self, Self::Memory | Self::Sqlite | Self::Postgres)
    }

    /// Whether its jobs survive the process.
    const fn is_durable(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }

    /// Whether this program was built with it.
    const fn is_built_in(self) -> bool {
        match self {
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Immediate | Self::Dummy | Self::Memory => true,
        }
    }
}

/// Where a durable backend keeps its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Database(DatabaseUrl),
}

/// The URL of a database; printed for programmers it shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(pub String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match (self.0.split_once("://"), self.0.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
            _ => self.0.clone(),
        };
        // What stands behind the question mark may be a password, too.
        f.write_str(shown.split('?').next().unwrap_or_default())
    }
}

/// Reads the table of one backend; `None` if its kind is not known. A file that it names stands in `folder` unless its
/// path is absolute.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<BackendSettings> {
    let written = section.has("backend");
    let mut kind = section.read("backend", "sqlite", kind).map(|found| found.value);
    let url = if kind.is_some_and(|kind| !kind.is_durable()) {
        section.useless("url", "with a backend that keeps nothing outside the process");
        None
    } else {
        section.text("url", "callboard.db")
    };
    if !written {
        // One line is enough to say where the jobs are.
        kind =
            url.as_ref().map(|url| if is_postgres(&url.value) { BackendKind::Postgres } else { BackendKind::Sqlite });
        if kind.is_none() {
            section
                .missing("backend", "write backend = \"sqlite\", \"postgres\", \"memory\", \"immediate\" or \"dummy\"");
        }
    }
    let place = kind.and_then(|kind| place(&section, kind, url, folder));
    let queues = queues(&mut section);
    let standard = BackendSettings::of(kind.unwrap_or(BackendKind::Memory));
    let mut settings = BackendSettings { queues, place, ..standard };
    read_connection(&mut section, &mut settings);
    if let Some(options) = section.section("options") {
        read_options(options, &mut settings);
    }
    if let Some(work) = section.section("work") {
        let standard = ["default".to_owned()];
        let known = settings.queues.as_deref().unwrap_or(&standard);
        if settings.kind.has_store() {
            settings.work = work::read(work, known);
        } else {
            work.note_self("has no effect with a backend that has no workers; remove it");
        }
    }
    if let Some(limits) = section.section("limits") {
        let standard = ["default".to_owned()];
        let known = settings.queues.as_deref().unwrap_or(&standard);
        if settings.kind.has_store() {
            settings.limits = limits::read(limits, known);
        } else {
            limits.note_self("has no effect with a backend that has no workers; remove it");
        }
    }
    section.finish();
    kind.map(|_| settings)
}

fn kind(text: &str) -> Result<BackendKind, String> {
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == text) {
        return if kind.is_built_in() {
            Ok(*kind)
        } else {
            Err(format!("is {text:?}, with which this program was not built; build it with the feature {text:?}"))
        };
    }
    let names = || KINDS.iter().map(|(name, _)| *name);
    Err(match near_names(text, names()).first() {
        Some(near) => format!("is {text:?}; did you mean {near:?}?"),
        None => {
            format!("is {text:?}; write {}", names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
        }
    })
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Where the store is, by the kind of the backend.
fn place(section: &Section<'_>, kind: BackendKind, url: Option<Found<String>>, folder: &Path) -> Option<StorePlace> {
    match (kind, url) {
        (BackendKind::Postgres, Some(url)) if is_postgres(&url.value) => {
            Some(StorePlace::Database(DatabaseUrl(url.value)))
        }
        (BackendKind::Postgres, Some(url)) => {
            // It may be a password that was pasted into the wrong place.
            section.note(url.problem("is no URL of PostgreSQL; write \"postgres://user@host:5432/database\""));
            None
        }
        (BackendKind::Postgres, None) => {
            section.missing("url", "write url = \"postgres://user@host:5432/database\"");
            None
        }
        (BackendKind::Sqlite, Some(url)) if url.value.contains("://") => {
            let fix = "with backend = \"sqlite\" write the path of a file, such as \"callboard.db\"";
            section.note(url.problem(format!("is a URL; {fix}")));
            None
        }
        // A variable is set by somebody who stands in the working directory, not beside the settings file.
        (BackendKind::Sqlite, Some(Found { value, place: Place::Variable(_), .. })) => {
            Some(StorePlace::File(PathBuf::from(value)))
        }
        (BackendKind::Sqlite, Some(url)) => Some(StorePlace::File(folder.join(url.value))),
        (BackendKind::Sqlite, None) => Some(StorePlace::File(folder.join(SQLITE_FILE))),
        (BackendKind::Immediate | BackendKind::Dummy | BackendKind::Memory, _) => None,
    }
}

/// How a PostgreSQL backend is connected to.
fn read_connection(section: &mut Section<'_>, into: &mut BackendSettings) {
    if into.kind != BackendKind::Postgres {
        for key in ["schema", "pooler", "listen_url"] {
            section.useless(key, "with a backend that is not PostgreSQL");
        }
        return;
    }
    into.schema = section.text("schema", "callboard").map(|schema| schema.value);
    into.pooler = section.flag("pooler").is_some_and(|pooler| pooler.value);
    into.listen_url = section
        .read("listen_url", "postgres://user@host:5432/database", |url| {
            if is_postgres(url) { Ok(DatabaseUrl(url.to_owned())) } else { Err("is no URL of PostgreSQL") }
        })
        .map(|url| url.value);
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
    if !into.kind.has_store() {
        for key in ["workers", "concurrency", "lease", "stuck_after", "keep_successful", "keep_failed", "keep_max"] {
            options.useless(key, "with a backend that has no workers and no store");
        }
        return options.finish();
    }
    into.workers = options.number("workers", 1..=MOST_WORKERS).map(|found| found.value);
    into.concurrency = options.number("concurrency", 1..=1_000_000).map(|found| found.value);
    into.lease = options.duration("lease", SHORTEST_LEASE).map(|found| found.value);
    into.stuck_after = options.duration("stuck_after", Duration::from_millis(1)).map(|found| found.value);
    into.keep_successful = options.duration("keep_successful", Duration::ZERO).map(|found| found.value);
    into.keep_failed = options.duration("keep_failed", Duration::ZERO).map(|found| found.value);
    if into.kind == BackendKind::Memory {
        into.keep_max = options.number("keep_max", 0..=1_000_000_000).map(|found| found.value);
    } else {
        options.useless("keep_max", "with a durable backend, which keeps finished jobs for a time");
    }
    options.finish();
}

impl BackendSettings {
    /// A backend of this kind that works as is usual.
    #[must_use]
    pub const fn of(kind: BackendKind) -> Self {
        Self {
            kind,
            place: None,
            schema: None,
            pooler: false,
            listen_url: None,
            queues: None,
            workers: None,
            concurrency: None,
            lease: None,
            stuck_after: None,
            keep_successful: None,
            keep_failed: None,
            keep_max: None,
            work: None,
            limits: BTreeMap::new(),
        }
    }
}

impl From<BackendSettings> for Backend {
    fn from(settings: BackendSettings) -> Self {
        let mut backend = match settings.kind {
            BackendKind::Immediate => Self::immediate(),
            BackendKind::Dummy => Self::dummy(),
            BackendKind::Memory => Self::memory(),
            BackendKind::Sqlite => sqlite(&settings),
            BackendKind::Postgres => postgres(&settings),
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
        if let Some(limit) = settings.stuck_after {
            backend = backend.stuck_after(limit);
        }
        if let Some(keep_max) = settings.keep_max {
            backend = backend.keep_max(keep_max);
        }
        if let Some(work) = settings.work {
            backend = backend.work(work);
        }
        for (queue, limits) in settings.limits {
            backend = backend.limits(queue, limits);
        }
        let standard = MemoryOptions::default();
        backend.keep(
            settings.keep_successful.unwrap_or(standard.keep_successful),
            settings.keep_failed.unwrap_or(standard.keep_failed),
        )
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(settings: &BackendSettings) -> Backend {
    use crate::store::sqlite::SqliteOptions;
    Backend::open(match &settings.place {
        Some(StorePlace::File(path)) => SqliteOptions::new(path),
        _ => SqliteOptions::new(SQLITE_FILE),
    })
}

#[cfg(feature = "postgres")]
fn postgres(settings: &BackendSettings) -> Backend {
    use crate::store::postgres::PostgresOptions;
    let url = match &settings.place {
        Some(StorePlace::Database(url)) => url.0.as_str(),
        // The standard of the driver: a server on this machine.
        _ => "postgres://localhost",
    };
    let mut options = PostgresOptions::new(url);
    if let Some(schema) = &settings.schema {
        options.schema.clone_from(schema);
    }
    options.pooler = settings.pooler;
    options.listen_url = settings.listen_url.as_ref().map(|url| url.0.clone());
    Backend::open(options)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &BackendSettings) -> Backend {
    unreachable!("reading the settings refuses what is not built in")
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &BackendSettings) -> Backend {
    unreachable!("reading the settings refuses what is not built in")
}
