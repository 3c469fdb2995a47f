//! The settings: a TOML file, the environment laid over it, and one walk that reports every problem at once.

mod backend;
#[cfg(feature = "http")]
mod csp;
#[cfg(feature = "http")]
mod http;
mod limits;
#[cfg(feature = "mail")]
mod mail;
mod schedules;
mod section;
#[cfg(test)]
mod tests;
#[cfg(feature = "http")]
pub(crate) mod tokens;
mod tree;
mod work;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callboard_actors::{Builder, Configure};
use callboard_tasks::{Schedule, check_name};

pub use self::backend::{BackendKind, BackendSettings, DatabaseUrl, StorePlace};
#[cfg(feature = "http")]
pub use self::http::HttpSettings;
#[cfg(feature = "cli")]
pub(crate) use self::http::address;
#[cfg(feature = "mail")]
pub use self::mail::MailSettings;
use self::section::{Problems, Section};
use self::tree::{Place, Table};

/// The file that is read where none is named.
const FILE: &str = "callboard.toml";

/// What a settings file and the environment say, checked.
///
/// Given to a builder with `.settings(..)`, they replace what the builder says about the backends they name, and
/// leave the rest as it is. Each key can be given by a variable of the environment, which wins over the file:
/// `CALLBOARD__TASKS__DEFAULT__BACKEND=memory` is `tasks.default.backend`; lists are written with commas.
///
/// ```toml
/// required_tasks = ["shop.send_receipt"]   # refuse to start unless these are registered
/// drain_delay = "0s"                       # how long a server that was told to stop goes on, not ready any more
/// shutdown_grace = "25s"                   # how long a shutdown lets attempts run
///
/// [tasks.default]                          # without any [tasks.x] the builder's stay; else "default" must exist
/// backend = "sqlite"                       # immediate | dummy | memory | sqlite | postgres
/// url = "callboard.db"                     # a file beside this one, or postgres://user@host/database
/// queues = ["default", "mail"]             # omitted: ["default"]; []: any name
/// [tasks.default.options]
/// workers = 2                              # worker actors, one thread each; default: cores
/// concurrency = 100                        # attempts running at once
/// lease = "3s"
/// stuck_after = "10m"                      # an attempt that runs for longer is reported
/// keep_successful = "7d"                   # finished jobs are kept as long
/// keep_failed = "30d"
/// keep_max = 100000                        # with memory: and at most so many of them
/// [tasks.default.work]                     # which queues this process works; omitted: all
/// queues = { mail = 4, default = 50 }      # and how many attempts of each at once; {}: none, it enqueues only
///
/// [[schedules]]                            # as often as you like
/// name = "digest"
/// cron = "0 9 * * MON-FRI"                 # 5 fields, or 6 with seconds in front
/// timezone = "Europe/Berlin"               # else UTC
/// task = "send_digest"
/// args = { list = "news" }
/// missed = "one"                           # ticks that nobody took in time: skip | one | all within 6h
///
/// [http]
/// bind = "127.0.0.1:8000"
/// tokens_file = "tokens.toml"              # beside this file
/// hosts = ["tasks.example.com"]            # what a Host header may say, beside the bind address
/// trusted_proxies = ["10.0.0.7"]           # whose X-Forwarded-For is believed
///
/// [mail.default]
/// backend = "smtp"                         # smtp | console | file | memory | dummy
/// host = "smtp.example.com"
/// from = "The Shop <shop@example.com>"
///
/// [templates]
/// dir = "templates"                        # of mail: welcome.email
/// previews = true                          # while developing: they are shown at /ui/mail/previews
///
/// [csp]                                    # Django's SECURE_CSP and SECURE_CSP_REPORT_ONLY
/// enforce = { default-src = ["'self'"], script-src = ["'self'", "nonce"] }
/// report_only = {}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The file they were read from; `None` if there was none.
    pub file: Option<PathBuf>,
    /// The backends by alias; empty if nothing is said about backends, and those of the builder stay.
    pub tasks: BTreeMap<String, BackendSettings>,
    /// The full names of tasks without which the board must not start.
    pub required_tasks: Vec<String>,
    /// The schedules that this process declares.
    pub schedules: Vec<Schedule>,
    /// How long a server goes on after it was told to stop, before it takes no more calls: meanwhile it says that it is not
    /// ready, so that whoever spreads requests over several servers leaves it alone. Zero unless said.
    pub drain_delay: Duration,
    /// How long a shutdown lets attempts run; `None` is the board's own default, 25 s.
    pub shutdown_grace: Option<Duration>,
    /// The mailers and the templates of mail.
    #[cfg(feature = "mail")]
    pub mail: MailSettings,
    /// The front end.
    #[cfg(feature = "http")]
    pub http: HttpSettings,
    /// The content security policies of the program's pages, for [`Csp`](crate::http::csp::Csp). What the front end
    /// itself answers is no page and has a stricter one.
    #[cfg(feature = "http")]
    pub csp: callboard_http::csp::Policies,
}

impl Settings {
    /// The settings of this process: `file`, or `callboard.toml` in the working directory if there is one, and
    /// the environment. Without either, the settings say nothing, and a builder stays as it is.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a named file cannot be read, or with every problem of what was read.
    pub fn find(file: Option<&Path>) -> Result<Self, SettingsError> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        match file {
            Some(path) => Self::from_file(path, variables),
            None if Path::new(FILE).exists() => Self::from_file(Path::new(FILE), variables),
            None => Self::from_environment(variables),
        }
    }

    /// The settings of this file with these variables laid over it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the file cannot be read, or with every problem in it.
    pub fn from_file(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let name = path.display().to_string();
        let table = tree::read(&name, &text).map_err(SettingsError::Problems)?;
        Self::walk(Some(path), table, variables)
    }

    /// The settings that these variables alone make.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Problems`] with every problem in them.
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        Self::walk(None, Table::new(), variables)
    }

    fn walk(
        file: Option<&Path>,
        mut table: Table,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let problems: Problems = RefCell::new(tree::lay_over(&mut table, variables));
        let place = match file {
            Some(path) => Place::Whole(path.display().to_string().into()),
            None => Place::Whole("the environment".into()),
        };
        let settings = read(file, Section::outermost(table, place, &problems));
        let mut problems = problems.into_inner();
        if let Some(path) = file {
            sort(&mut problems, &path.display().to_string());
        }
        if problems.is_empty() { Ok(settings) } else { Err(SettingsError::Problems(problems)) }
    }
}

/// Puts the problems of the file first, in the order of its lines, then those of files that it names, each in the
/// order of its own, then those of variables.
fn sort(problems: &mut [SettingsProblem], file: &str) {
    problems.sort_by_cached_key(|SettingsProblem { place, .. }| {
        let (name, line) = match place.rsplit_once(':').map(|(name, line)| (name, line.parse::<usize>())) {
            Some((name, Ok(line))) => (name, Some(line)),
            _ => (place.as_str(), None),
        };
        match line {
            _ if name == file => (0, String::new(), line),
            Some(_) => (1, name.to_owned(), line),
            None => (2, String::new(), None),
        }
    });
}

/// What later versions read at the top of the file.
const LATER: [&str; 1] = ["http_request"];

fn read(file: Option<&Path>, mut top: Section<'_>) -> Settings {
    let mut settings = Settings { file: file.map(Path::to_owned), ..Settings::default() };
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    settings.tasks = backends(&mut top, folder, file.is_some());
    for name in top.texts("required_tasks", "[\"shop.send_receipt\"]").unwrap_or_default() {
        match check_name(&name.value) {
            Ok(()) => settings.required_tasks.push(name.value),
            Err(problem) => top.note(name.problem(problem)),
        }
    }
    settings.schedules = schedules::read(top.sections("schedules"), &settings.tasks);
    settings.drain_delay = top.duration("drain_delay", Duration::ZERO).map(|delay| delay.value).unwrap_or_default();
    settings.shutdown_grace = top.duration("shutdown_grace", Duration::ZERO).map(|grace| grace.value);
    #[cfg(feature = "http")]
    {
        settings.http = top.section("http").map(|section| http::read(section, folder)).unwrap_or_default();
        settings.csp = top.section("csp").map(csp::read).unwrap_or_default();
    }
    #[cfg(feature = "mail")]
    {
        settings.mail.mailers = mail::read_mailers(top.section("mail"), folder);
        (settings.mail.templates, settings.mail.previews) = mail::read_templates(top.section("templates"), folder);
    }
    #[cfg(not(feature = "mail"))]
    for key in ["mail", "templates"] {
        top.pass_over(key);
    }
    // A program without the front end may share the file with one that has it.
    #[cfg(not(feature = "http"))]
    for key in ["http", "csp"] {
        top.pass_over(key);
    }
    for key in LATER {
        top.later(key);
    }
    top.finish();
    settings
}

/// The backends of the table; without one, or if it is empty, those of the builder stay.
fn backends(top: &mut Section<'_>, folder: &Path, must_have_default: bool) -> BTreeMap<String, BackendSettings> {
    const FIX: &str = "there must be a backend of this alias; write [tasks.default] and below it backend = \"sqlite\"";
    let mut backends = BTreeMap::new();
    let Some(mut tasks) = top.section("tasks") else { return backends };
    if must_have_default && !tasks.names().is_empty() && !tasks.has("default") {
        tasks.missing("default", FIX);
    }
    for alias in tasks.names() {
        let Some(section) = tasks.named_section(&alias) else { continue };
        if let Err(problem) = check_name(&alias) {
            section.note_self(format!("is an alias that {problem}"));
        }
        if let Some(backend) = backend::read(section, folder) {
            backends.insert(alias, backend);
        }
    }
    backends
}

impl Configure for Settings {
    fn configure(self, mut builder: Builder) -> Builder {
        for (alias, backend) in self.tasks {
            builder = builder.backend(alias, backend.into());
        }
        #[cfg(feature = "mail")]
        {
            builder = self.mail.configure(builder);
        }
        if let Some(grace) = self.shutdown_grace {
            builder = builder.shutdown_grace(grace);
        }
        for schedule in self.schedules {
            builder = builder.schedule(schedule);
        }
        builder.required_tasks(self.required_tasks)
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings file {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something in them is wrong: all of it.
    #[error("{}", list(.0))]
    Problems(Vec<SettingsProblem>),
}

/// One thing that is wrong in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// Where: the file with its line, or the name of the variable.
    pub place: String,
    /// The key with its tables, `tasks.default.options.lease`; empty where there is none.
    pub key: String,
    /// What is wrong with its value, and what to write instead.
    pub detail: String,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, detail } = self;
        if key.is_empty() { write!(f, "{place}: {detail}") } else { write!(f, "{place}: {key} {detail}") }
    }
}

fn list(problems: &[SettingsProblem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    match lines.len() {
        1 => format!("the settings have a problem:{}", lines[0]),
        n => format!("the settings have {n} problems:{}", lines.concat()),
    }
}
