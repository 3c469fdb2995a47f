//! The helper: a thread that saves the log into the file, and answers whoever waits for other processes for too long.
//!
//! SQLite would save the log (a checkpoint) inside the commit that makes it too long, and its caller would wait for
//! that. Here another connection does it beside the writer. As the writer goes on meanwhile, the log is never quite
//! saved, and so would grow for ever: when it is long the writer saves what little is left between two transactions,
//! and begins it anew.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::time::Duration;

use callboard_tasks::StoreError;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags};

use super::inbox::Inbox;
use super::writer::busy_text;

/// The log is saved whenever it has grown by about so many pages.
pub(super) const SAVE_AFTER: usize = 2_000;
/// A log of more pages than this (16 MiB) is begun anew as soon as possible. A short one is soon written over, not
/// appended to, and then a flush need not write the length of the file too: measured 0.16 ms against 0.29 ms.
const LONG: i64 = 4_096;

#[derive(Debug, Default)]
pub(super) struct Helper {
    wanted: Mutex<Wanted>,
    wake: Condvar,
    long: AtomicBool,
}

#[derive(Debug, Default)]
struct Wanted {
    save: bool,
    watch: bool,
    close: bool,
}

impl Helper {
    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted.lock());
        self.wake.notify_one();
    }

    /// Saves the log soon.
    pub(super) fn save(&self) {
        self.want(|wanted| wanted.save = true);
    }

    /// Watches how long the writer waits for others.
    pub(super) fn watch(&self) {
        self.want(|wanted| wanted.watch = true);
    }

    pub(super) fn close(&self) {
        self.want(|wanted| wanted.close = true);
    }

    /// Whether the log must be begun anew; says so once.
    pub(super) fn log_is_long(&self) -> bool {
        self.long.swap(false, AcqRel)
    }

    /// The helper's thread.
    pub(super) fn run(&self, file: &Path, inbox: &Inbox, busy: Duration) {
        let mut connection = None;
        let mut pause = None;
        loop {
            let save = {
                let mut wanted = self.wanted.lock();
                while !wanted.save && !wanted.watch && !wanted.close {
                    match pause {
                        None => self.wake.wait(&mut wanted),
                        Some(pause) => {
                            if self.wake.wait_for(&mut wanted, pause).timed_out() {
                                break;
                            }
                        }
                    }
                }
                if wanted.close {
                    return;
                }
                wanted.watch = false;
                std::mem::take(&mut wanted.save)
            };
            pause = match inbox.blocked_for(busy) {
                Err(left) => left,
                Ok(waiting) => {
                    for work in waiting {
                        work.answer(Err(StoreError::Busy(busy_text(file, busy))));
                    }
                    Some(busy)
                }
            };
            if save {
                self.save_now(file, &mut connection);
            }
        }
    }

    fn save_now(&self, file: &Path, connection: &mut Option<Connection>) {
        if connection.is_none() {
            *connection = open(file).ok();
        }
        let Some(connection) = connection else { return };
        match save(connection) {
            Ok(pages) if pages > LONG => self.long.store(true, Release),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: "callboard", file = %file.display(), %error, "the log could not be saved");
            }
        }
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(connection)
}

/// Saves as much of the log as can be without anybody waiting; how many pages it has.
pub(super) fn save(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |row| row.get(1))
}
