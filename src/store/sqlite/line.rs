//! The line of a queue as a claim reads it: a part ahead at a time, passing over what is not for the asking process and
//! what a limit key holds back.

use std::collections::VecDeque;

use callboard_tasks::JobId;
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::claim::Asking;
use super::fault::Trouble;
use super::limits::Limited;
use super::rows::{self, SPEC_COLUMNS};
use super::txn::Txn;
use crate::store::record::{Keys, SpecRow};

/// Where a job stands in the line of its queue: rank, time, id.
pub(super) type Place = (i64, i64, JobId);

/// At most so many rows are read ahead at once.
const READ_AHEAD: usize = 1_024;
/// And this many at least, once something was held back.
const READ_PAST: usize = 256;
/// A claim looks past so many jobs that their keys hold back, from the start of the line, and past as many from where
/// the last claim has come to. So those far behind get their turn too, and no claim takes for ever.
const HELD_BACK: usize = 1_024;

/// A job that stands in a line.
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) version: i64,
    pub(super) kept: bool,
    pub(super) spec: SpecRow,
    pub(super) keys: Option<Keys>,
}

impl Candidate {
    pub(super) fn limit_key(&self) -> Option<&str> {
        self.keys.as_ref()?.limit_key.as_deref()
    }
}

/// A line during one claim.
pub(super) struct Line {
    suspects: bool,
    read: VecDeque<Candidate>,
    /// Where the next part begins.
    behind: Option<Place>,
    at_end: bool,
    /// A row was passed over since the last one was given.
    gap: bool,
    /// The last one that was given or held back.
    last: Option<Place>,
    /// How many were held back in this stretch of the line.
    held_back: usize,
    stretch: Stretch,
}

#[derive(PartialEq, Eq)]
enum Stretch {
    /// From the start of the line.
    First,
    /// From where the last claim has come to.
    Second,
    /// It has looked at as many as it may.
    Over,
}

impl Line {
    pub(super) const fn of_ready() -> Self {
        Self {
            suspects: false,
            read: VecDeque::new(),
            behind: None,
            at_end: false,
            gap: false,
            last: None,
            held_back: 0,
            stretch: Stretch::First,
        }
    }

    pub(super) fn of_suspects() -> Self {
        Self { suspects: true, ..Self::of_ready() }
    }

    /// The place of the job that [`front`](Self::front) has found.
    pub(super) fn seen(&self) -> Option<Place> {
        self.read.front().map(|candidate| candidate.place)
    }

    /// Takes that job out.
    pub(super) fn take(&mut self) -> Option<Candidate> {
        let candidate = self.read.pop_front()?;
        self.last = Some(candidate.place);
        Some(candidate)
    }

    /// Whether rows were passed over since this was asked last.
    pub(super) fn had_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    /// The first one that the process can run and no limit holds back. What stands before it is passed over in this
    /// claim; what nobody can run is parked, and what has expired is ended.
    pub(super) fn front(
        &mut self,
        txn: &mut Txn<'_, '_>,
        queue: &str,
        mut limited: Option<&mut Limited>,
        asking: &mut Asking,
        most: usize,
    ) -> Result<Option<Place>, Trouble> {
        loop {
            if self.held_back == HELD_BACK {
                self.go_on(txn, queue);
            }
            let Some(candidate) = self.read.front() else {
                if self.at_end {
                    return Ok(None);
                }
                let least = if self.held_back > 0 { READ_PAST } else { 1 };
                self.read_on(txn, queue, most.clamp(least, READ_AHEAD))?;
                continue;
            };
            // One that was lost, or waits to be tried again, has begun and does not expire; its own row would say.
            let expired = candidate.spec.expires_at.is_some_and(|at| at <= txn.now_micros);
            if expired && expire_if_unstarted(txn, candidate.spec.id)? {
                self.read.pop_front();
                continue;
            }
            if asking.tasks.contains(&candidate.spec.task) {
                if has_room(txn, queue, limited.as_deref_mut(), candidate)? {
                    return Ok(Some(candidate.place));
                }
                self.last = Some(candidate.place);
                self.held_back += 1;
                self.gap = true;
            } else if asking.somebody_can_run(txn, &candidate.spec.task)? {
                self.gap = true;
            } else {
                let id = candidate.spec.id;
                txn.park(id)?;
            }
            self.read.pop_front();
        }
    }

    /// Enough was held back here.
    fn go_on(&mut self, txn: &Txn<'_, '_>, queue: &str) {
        self.held_back = 0;
        if self.stretch == Stretch::First {
            self.stretch = Stretch::Second;
            let from = txn.memory.places.get(queue).copied();
            if from > self.last && !self.suspects {
                self.read.clear();
                (self.behind, self.at_end) = (from, false);
            }
        } else {
            self.stretch = Stretch::Over;
            self.read.clear();
            self.at_end = true;
        }
    }

    /// Remembers where the next claim goes on; whether this one was broken off before the end of the line.
    pub(super) fn remember_place(&self, txn: &mut Txn<'_, '_>, queue: &str) -> bool {
        let is_over = self.stretch == Stretch::Over;
        if self.stretch == Stretch::First && txn.memory.places.is_empty() {
            return false;
        }
        match self.last {
            Some(last) if is_over || (self.stretch == Stretch::Second && !(self.at_end && self.read.is_empty())) => {
                txn.memory.places.insert(queue.to_owned(), last);
            }
            // It has come to the end.
            _ if self.at_end && self.read.is_empty() => drop(txn.memory.places.remove(queue)),
            _ => {}
        }
        is_over
    }

    fn read_on(&mut self, txn: &mut Txn<'_, '_>, queue: &str, most: usize) -> Result<(), Trouble> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let rows: rusqlite::Result<VecDeque<Candidate>> = match (self.suspects, self.behind) {
            (false, None) => txn.hot.line.query_map(params![queue, limit], candidate)?.collect(),
            (false, Some((rank, at, id))) => txn
                .hot
                .line_behind
                .query_map(params![queue, limit, rank, at, id.as_uuid().as_bytes()], candidate)?
                .collect(),
            (true, behind) => {
                let (rank, at, id) = behind.unwrap_or((i64::MIN, i64::MIN, JobId::from_uuid(uuid::Uuid::nil())));
                let mut select = txn.connection.prepare_cached(SUSPECTS_BEHIND)?;
                select.query_map(params![queue, limit, rank, at, id.as_uuid().as_bytes()], candidate)?.collect()
            }
        };
        let rows = rows?;
        self.at_end = rows.len() < most;
        if let Some(last) = rows.back() {
            self.behind = Some(last.place);
        }
        self.read = rows;
        Ok(())
    }
}

/// Whether its limit key lets a job start.
fn has_room(
    txn: &Txn<'_, '_>,
    queue: &str,
    limited: Option<&mut Limited>,
    candidate: &Candidate,
) -> Result<bool, Trouble> {
    let Some(limited) = limited.filter(|limited| limited.limits_keys()) else { return Ok(true) };
    let Some(key) = candidate.limit_key() else { return Ok(true) };
    limited.key_has_room(txn, queue, key)
}

fn expire_if_unstarted(txn: &mut Txn<'_, '_>, id: JobId) -> Result<bool, Trouble> {
    let Some(before) = txn.load(id)?.filter(|job| job.expires_at().is_some_and(|at| at <= txn.now)) else {
        return Ok(false);
    };
    let mut after = before.clone();
    after.expire(txn.now)?;
    txn.rewrite(&before, &after)?;
    Ok(true)
}

/// The line of suspects of a queue from behind a place.
const SUSPECTS_BEHIND: &str = concat!(
    "SELECT ",
    rows::spec_columns!(),
    ", w.rank, w.at, w.version, w.kept FROM callboard_suspects w CROSS JOIN callboard_jobs j ON j.id = w.id
     WHERE w.queue = ?1 AND (w.rank, w.at, w.id) > (?3, ?4, ?5) ORDER BY w.rank, w.at, w.id LIMIT ?2"
);

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let spec = rows::spec(row, 0)?;
    let place = (row.get(SPEC_COLUMNS)?, row.get(SPEC_COLUMNS + 1)?, spec.id);
    let unread = |damaged| rusqlite::Error::FromSqlConversionFailure(SPEC_COLUMNS - 1, Type::Text, Box::new(damaged));
    let keys = Keys::of(spec.id, spec.rare.as_deref()).map_err(unread)?;
    Ok(Candidate { place, version: row.get(SPEC_COLUMNS + 2)?, kept: row.get(SPEC_COLUMNS + 3)?, spec, keys })
}
