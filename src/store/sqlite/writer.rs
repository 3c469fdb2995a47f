//! The writer: one thread with the only connection that writes.
//!
//! Whatever waits for it goes into one transaction: while a commit flushes the disk the next batch gathers, so many
//! callers share a flush and a single one never waits for others. Callers are answered after the commit.
//! An operation that fails for a reason of its own undoes the batch; then each one gets a transaction to itself, so
//! that only the bad one fails. That costs nothing as long as nothing fails, which savepoints would.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_tasks::{Clock, Heard, JobId, StoreError};
use futures::channel::oneshot;
use rusqlite::Connection;

use super::fault::{Fault, Kind, Trouble};
use super::helper::Helper;
use super::hot::Hot;
use super::inbox::{Inbox, Woken};
use super::listener::Listener;
use super::lock::WriteLock;
use super::readers::Readers;
use super::txn::{Memory, Txn};

/// An operation that waits for the writer.
pub(super) trait Work: Send {
    /// Does it, and keeps its answer.
    fn run(&mut self, txn: &mut Txn<'_, '_>) -> Result<(), Fault>;
    /// How many jobs it is about, roughly.
    fn weight(&self) -> usize;
    /// Tells the caller: what was kept, now that it is committed, or why it failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// An operation as a question, a function that answers it, and who wants to know.
pub(super) struct Asked<Q, A> {
    pub(super) question: Q,
    pub(super) run: for<'t, 'c> fn(&mut Txn<'t, 'c>, &Q) -> Result<A, Trouble>,
    pub(super) weight: usize,
    pub(super) answer: Option<Result<A, StoreError>>,
    pub(super) to: oneshot::Sender<Result<A, StoreError>>,
}

impl<Q: Send, A: Send> Work for Asked<Q, A> {
    fn run(&mut self, txn: &mut Txn<'_, '_>) -> Result<(), Fault> {
        self.answer = Some(match (self.run)(txn, &self.question) {
            Ok(answer) => Ok(answer),
            Err(Trouble::Refused(no)) => Err(no),
            Err(Trouble::Failed(fault)) => return Err(fault),
        });
        Ok(())
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.answer) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(answer)) => answer,
            (Ok(()), None) => return,
        };
        // Who does not wait any more does not want to know.
        let _ = self.to.send(answer);
    }
}

/// What the writer needs besides its connection.
pub(super) struct Setting {
    pub(super) file: PathBuf,
    pub(super) clock: Clock,
    pub(super) owner: [u8; 16],
    pub(super) keep: [i64; 2],
    pub(super) busy: Duration,
    pub(super) inbox: Arc<Inbox>,
    pub(super) listener: Arc<Listener>,
    pub(super) readers: Arc<Readers>,
    pub(super) helper: Arc<Helper>,
    pub(super) lock: WriteLock,
}

/// The writer's thread, from the first operation until the store is closed.
pub(super) fn run(setting: &Setting, connection: &Connection, others: Vec<JoinHandle<()>>) {
    match Hot::prepare(connection) {
        Ok(hot) => {
            let mut writer = Writer {
                setting,
                connection,
                hot,
                memory: Memory::default(),
                version: None,
                foreign: false,
                looked: Instant::now(),
                unsaved: 0,
                gathered: 0,
            };
            writer.work();
        }
        Err(error) => {
            let fault = Fault::from(error);
            tracing::error!(target: "callboard", file = %setting.file.display(), error = %fault, "the store cannot write");
            while !matches!(setting.inbox.wait(Duration::from_secs(3600)), Woken::Closed) {
                setting.answer(setting.inbox.take(), Err(&fault));
            }
        }
    }
    // The connection that writes closes last: only it can tidy the log away.
    setting.readers.close();
    setting.helper.close();
    for thread in others {
        let _ = thread.join();
    }
}

impl Setting {
    fn answer(&self, batch: Vec<Box<dyn Work>>, committed: Result<(), &Fault>) {
        for work in batch {
            work.answer(committed.map_err(|fault| self.error(fault)));
        }
    }

    /// What a caller is told.
    pub(super) fn error(&self, fault: &Fault) -> StoreError {
        if fault.kind != Kind::Busy {
            return fault.clone().into_error(&self.file);
        }
        StoreError::Busy(busy_text(&self.file, self.busy))
    }
}

/// Why nothing could be written for so long, and the usual mistake.
pub(super) fn busy_text(file: &std::path::Path, bound: Duration) -> String {
    format!(
        "another connection has held the write lock of {} for more than {bound:?}; if that is a transaction of your \
         own, enqueue in it with enqueue_in_sqlite: enqueue waits until it ends",
        file.display()
    )
}

struct Writer<'w> {
    setting: &'w Setting,
    connection: &'w Connection,
    hot: Hot<'w>,
    memory: Memory,
    /// The version of the file's content when this connection looked last; commits of its own do not change it.
    version: Option<i64>,
    /// Another connection has changed it, and the ear has not been told.
    foreign: bool,
    looked: Instant,
    /// Pages of the log that have not been saved into the file, roughly.
    unsaved: usize,
    /// How many jobs the last batch was about, roughly.
    gathered: usize,
}

impl Writer<'_> {
    fn work(&mut self) {
        let Setting { inbox, lock, listener, helper, .. } = self.setting;
        // What is written from now on is news.
        self.version();
        // Those who had the file before may have died without saving their log, and this process may do so as soon.
        helper.save();
        loop {
            let pause = listener.pause();
            match inbox.wait(pause) {
                Woken::Closed => return,
                Woken::Inspection(inspect) => {
                    inspect(self.connection);
                    continue;
                }
                Woken::Nothing => {
                    self.look();
                    if std::mem::take(&mut self.unsaved) > 0 {
                        helper.save();
                    }
                    continue;
                }
                Woken::Work => {}
            }
            self.gather();
            if !lock.try_take() {
                // What waits stays in the inbox, where the helper can answer it if this takes too long.
                inbox.block(true);
                helper.watch();
                lock.take();
                inbox.block(false);
            }
            let batch = inbox.take();
            if helper.log_is_long() {
                // Nobody writes now, so this saves all of it, and the next commit begins the log anew.
                let _ = super::helper::save(self.connection);
            }
            let ended = self.batch(batch);
            lock.release();
            self.tell(&ended);
            if self.looked.elapsed() >= pause {
                self.look();
            }
        }
    }

    /// Lets half of those come back that were just answered, before the next flush: where cores are scarce, they wait
    /// for the very core. The other half comes while this one is written, so nobody waits for nothing. With nobody to
    /// run it costs nothing, and a batch of few is not worth it.
    fn gather(&self) {
        const FEW: usize = 8;
        const LOOKS: usize = 32;
        if self.gathered < FEW {
            return;
        }
        let mut waiting = self.setting.inbox.weight();
        for _ in 0..LOOKS {
            if waiting >= self.gathered / 2 {
                return;
            }
            std::thread::yield_now();
            let now = self.setting.inbox.weight();
            if now == waiting {
                return;
            }
            waiting = now;
        }
    }

    /// Commits a batch and answers; the jobs that ended.
    fn batch(&mut self, mut batch: Vec<Box<dyn Work>>) -> Vec<JobId> {
        if batch.is_empty() {
            return Vec::new();
        }
        let weight: usize = batch.iter().map(|work| work.weight()).sum();
        self.gathered = weight;
        // A few pages for each commit, and then so many jobs on a page.
        self.unsaved += 6 + weight / 16;
        let committed = self.commit(&mut batch);
        let mut ended = Vec::new();
        match committed {
            Err(fault) if fault.kind == Kind::Single && batch.len() > 1 => {
                for mut work in batch {
                    let committed = self.commit(std::slice::from_mut(&mut work));
                    work.answer(match committed {
                        Ok(of_it) => {
                            ended.extend(of_it);
                            Ok(())
                        }
                        Err(fault) => Err(self.setting.error(&fault)),
                    });
                }
            }
            Err(fault) => self.setting.answer(batch, Err(&fault)),
            Ok(all) => {
                self.setting.answer(batch, Ok(()));
                ended = all;
            }
        }
        if self.unsaved >= super::helper::SAVE_AFTER {
            self.unsaved = 0;
            self.setting.helper.save();
        }
        ended
    }

    fn commit(&mut self, batch: &mut [Box<dyn Work>]) -> Result<Vec<JobId>, Fault> {
        if !self.connection.is_autocommit() {
            // What could not be rolled back then may be by now.
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.hot.begin.execute([])?;
        if self.version() {
            // What is remembered may have changed.
            self.memory.doubt();
        }
        // The time is read when nobody else writes any more, so it does not run backwards between commits.
        let now = self.setting.clock.now();
        let Setting { owner, keep, .. } = self.setting;
        let mut txn = Txn::new(self.connection, &mut self.hot, &mut self.memory, now, owner, *keep);
        let done = batch.iter_mut().try_for_each(|work| work.run(&mut txn)).and_then(|()| {
            txn.flush().map_err(|trouble| match trouble {
                Trouble::Failed(fault) => fault,
                Trouble::Refused(no) => Fault::new(Kind::Single, no.to_string()),
            })
        });
        let peers = txn.peers;
        let committed = done.and_then(|ended| {
            self.hot.commit.execute([])?;
            Ok(ended)
        });
        match committed {
            Ok(ended) => {
                self.setting.inbox.commits.fetch_add(1, Relaxed);
                if let Some(peers) = peers {
                    self.setting.listener.peers.store(peers, Release);
                }
                Ok(ended.concat())
            }
            Err(fault) => {
                self.memory.clear();
                // A full disk, among others, has rolled everything back already.
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK")?;
                }
                Err(fault)
            }
        }
    }

    /// Tells the ear about watched jobs that ended here.
    fn tell(&self, ended: &[JobId]) {
        if !ended.is_empty() && self.setting.listener.watched.any() {
            let ids = self.setting.listener.watched.take(ended);
            if !ids.is_empty() {
                self.setting.listener.tell(Heard::Ended(ids));
            }
        }
    }

    /// Tells the ear if another connection has changed the file.
    fn look(&mut self) {
        self.looked = Instant::now();
        if self.version() {
            self.memory.doubt();
        }
        if std::mem::take(&mut self.foreign) {
            self.setting.listener.somebody_wrote(&self.setting.readers);
        }
    }

    /// Whether another connection has changed the file since the last look.
    fn version(&mut self) -> bool {
        // If it cannot be read now, what comes next will say so.
        let Ok(version) = self.hot.version.query_row([], |row| row.get(0)) else { return false };
        let changed = self.version.replace(version).is_some_and(|before| before != version);
        self.foreign |= changed;
        changed
    }
}
