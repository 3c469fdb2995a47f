//! What was logged, to be looked up by what it mentions: tests run in one process, and logs are global.

use std::sync::Once;

use callboard_tasks::JobId;
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

struct Logger(Mutex<Vec<Line>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()));

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("callboard")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().push(Line { level: record.level(), text: record.args().to_string() });
        }
    }

    fn flush(&self) {}
}

/// Starts to listen, as a program does that uses `env_logger`.
pub(crate) fn listen() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&LOGGER).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// The lines that mention this job.
pub(crate) fn about(job: JobId) -> Vec<Line> {
    let what = job.to_string();
    LOGGER.0.lock().iter().filter(|line| line.text.contains(&what)).cloned().collect()
}
