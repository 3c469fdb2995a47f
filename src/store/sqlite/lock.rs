//! The lock file beside the database: whoever writes holds it from before BEGIN until after COMMIT.
//!
//! SQLite's own wait for a writer is a poll with growing pauses, so under load a second process waits for seconds
//! (measured: 2 to 16 s). The system's file lock wakes its waiters as soon as it is free (measured: at most 0.6 s with
//! eight processes). It is only for fairness: what SQLite locks by itself keeps the file whole.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct WriteLock {
    file: File,
}

/// `jobs.db-lock` beside `jobs.db`.
pub(super) fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-lock");
    name.into()
}

impl WriteLock {
    pub(super) fn open(database: &Path) -> io::Result<Self> {
        // Whoever could open it could keep everybody from writing.
        let file = crate::private::file().create(true).truncate(false).write(true).open(lock_path(database))?;
        Ok(Self { file })
    }

    /// Takes the lock if nobody has it.
    pub(super) fn try_take(&self) -> bool {
        match self.file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            // A file system without locks: SQLite's own must do.
            Err(TryLockError::Error(_)) => true,
        }
    }

    /// Waits until it has the lock.
    pub(super) fn take(&self) {
        // Without it there is less fairness, and no harm.
        let _ = self.file.lock();
    }

    /// Waits at most so long; whether it has the lock.
    pub(super) fn take_within(&self, bound: Duration) -> bool {
        let end = Instant::now() + bound;
        while !self.try_take() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    pub(super) fn release(&self) {
        let _ = self.file.unlock();
    }
}
