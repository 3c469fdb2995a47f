//! What the victims wrote: which attempts started and ended, and which enqueues were answered.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use callboard::JobId;

use crate::support::Folder;

/// Where one victim writes; each line goes out by a single write, whole or not at all.
pub struct Writer(File);

impl Writer {
    pub fn open(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub fn start(&self, id: JobId, run: u64) {
        self.line(&format!("start {id} {run}\n"));
    }

    pub fn end(&self, id: JobId, run: u64) {
        self.line(&format!("end {id} {run}\n"));
    }

    pub fn answered(&self, id: JobId) {
        self.line(&format!("answered {id} 0\n"));
    }

    fn line(&self, line: &str) {
        (&self.0).write_all(line.as_bytes()).unwrap();
    }
}

/// What was written.
#[derive(Default)]
pub struct Log {
    pub started: HashSet<(JobId, u64)>,
    pub ended: HashSet<(JobId, u64)>,
    pub answered: HashSet<JobId>,
}

impl Log {
    pub fn path(folder: &Folder, round: usize) -> PathBuf {
        folder.path().join(format!("{round}.log"))
    }

    /// What one victim has written so far.
    pub fn read(path: &Path) -> Self {
        let mut log = Self::default();
        log.add(path);
        log
    }

    /// What all victims have written.
    pub fn read_all(folder: &Folder) -> Self {
        let mut log = Self::default();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                log.add(&path);
            }
        }
        log
    }

    /// How many attempts have started and not ended.
    pub fn running(&self) -> usize {
        self.started.difference(&self.ended).count()
    }

    /// Adds what one victim has written.
    pub fn add(&mut self, path: &Path) {
        // A victim that has not opened its log yet has written nothing.
        let Ok(text) = std::fs::read_to_string(path) else { return };
        for line in text.lines() {
            let mut words = line.split(' ');
            let (what, id, run) = (words.next(), words.next(), words.next());
            let id: JobId = id.unwrap().parse().unwrap();
            let run: u64 = run.unwrap().parse().unwrap();
            match what {
                Some("start") => drop(self.started.insert((id, run))),
                Some("end") => drop(self.ended.insert((id, run))),
                Some("answered") => drop(self.answered.insert(id)),
                other => panic!("{other:?} is no line of this log"),
            }
        }
    }
}
