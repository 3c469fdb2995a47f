//! A few threads with connections that only read, so that nobody who looks waits for the writer, or it for them.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::fault::Fault;
use super::open;

/// Long lists must not keep short looks waiting, so there is more than one.
pub(super) const THREADS: usize = 2;

/// A look at the database, or why it cannot be opened.
pub(super) type Look = Box<dyn FnOnce(Result<&Connection, Fault>) + Send>;

#[derive(Default)]
pub(super) struct Readers {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    looks: VecDeque<Look>,
    closed: bool,
}

impl Readers {
    /// Looks soon; if it is closed the look is dropped, which its caller notices.
    pub(super) fn push(&self, look: Look) {
        let mut state = self.state.lock();
        if !state.closed {
            state.looks.push_back(look);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Takes nothing more; what is in it is still done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_all();
    }

    /// A reader's thread.
    pub(super) fn run(&self, file: &Path, busy: Duration) {
        let mut connection = None;
        while let Some(look) = self.next() {
            if connection.is_none() {
                match open::reader(file, busy) {
                    Ok(opened) => connection = Some(opened),
                    Err(error) => {
                        look(Err(error.into()));
                        continue;
                    }
                }
            }
            if let Some(connection) = &connection {
                look(Ok(connection));
            }
        }
    }

    fn next(&self) -> Option<Look> {
        let mut state = self.state.lock();
        loop {
            if let Some(look) = state.looks.pop_front() {
                return Some(look);
            }
            if state.closed {
                return None;
            }
            self.wake.wait(&mut state);
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}
