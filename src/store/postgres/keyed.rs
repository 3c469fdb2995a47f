//! Units with keys of which there is one, as the statement `add_keyed` takes and answers them.

use std::collections::HashMap;
use std::sync::Arc;

use callboard_tasks::{Found, Job, JobId, JobSpec, OnConflict, Placed, StoreError, Timestamp, UniqueUntil, Unit};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::columns::{Columns, due};
use super::core::{Core, micros};
use super::fault::Fault;
use super::row;

/// How long somebody who stands in the way is waited for by those who go together, and by one alone.
pub(super) const SHORT: &str = "100ms";
pub(super) const LONG: &str = "2s";

/// Whether a unit has a key of which there is one.
pub(super) fn has_keys(unit: &Unit) -> bool {
    unit.idempotency.is_some() || unit.jobs.iter().any(|spec| spec.unique.is_some())
}

/// Units, column by column.
pub(super) struct Keyed<'a> {
    columns: Columns<'a>,
    keys: Vec<Option<&'a str>>,
    holds: Vec<Option<Timestamp>>,
    started: Vec<bool>,
    conflicts: Vec<i16>,
    requests: Vec<Option<&'a str>>,
    digests: Vec<Option<&'a [u8]>>,
    keep: Vec<i64>,
    patience: Option<&'static str>,
}

impl<'a> Keyed<'a> {
    /// These units. Whoever stands in their way is waited for as long as `patience` says; `None` leaves that to the
    /// transaction that it is.
    pub(super) fn new(units: &[&'a Unit], patience: Option<&'static str>) -> Self {
        let jobs = units.iter().map(|unit| unit.jobs.len()).sum();
        let mut columns = Columns::new(jobs, None);
        let all = || units.iter().flat_map(|unit| &unit.jobs).map(|spec| spec.unique.as_deref());
        for unit in units {
            columns.unit(&unit.jobs, false);
        }
        let requests = || units.iter().map(|unit| unit.idempotency.as_ref());
        let number = |on_conflict| match on_conflict {
            OnConflict::Return => 0,
            OnConflict::Reject => 1,
            OnConflict::Replace => 2,
        };
        Self {
            columns,
            keys: all().map(|unique| unique.map(|unique| unique.key.as_str())).collect(),
            holds: all().map(|unique| unique.and_then(|unique| unique.holds_until)).collect(),
            started: all().map(|unique| unique.is_some_and(|unique| unique.until == UniqueUntil::Started)).collect(),
            conflicts: all().map(|unique| unique.map_or(0, |unique| number(unique.on_conflict))).collect(),
            requests: requests().map(|request| request.map(|request| request.key.as_str())).collect(),
            digests: requests().map(|request| request.map(|request| &request.request[..])).collect(),
            keep: requests().map(|request| request.map_or(0, |request| micros(request.keep))).collect(),
            patience,
        }
    }

    /// Whether it is known that the queues have room for them; see [`Columns::counted`].
    pub(super) fn counted(mut self, counted: Option<bool>) -> Self {
        self.columns.counted = counted;
        self
    }

    /// Whatever they ask for, what another one holds the key of is left out.
    pub(super) fn leaving_out(mut self) -> Self {
        self.conflicts.fill(0);
        self
    }

    /// As parameters of `add_keyed`, in its order.
    pub(super) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters = self.columns.first_parameters().to_vec();
        let more: [&(dyn ToSql + Sync); 9] = [
            &self.keys,
            &self.holds,
            &self.started,
            &self.conflicts,
            &self.requests,
            &self.digests,
            &self.keep,
            &self.patience,
            &self.columns.counted,
        ];
        parameters.extend(more);
        parameters
    }
}

/// A job that stands for one of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instead {
    /// Its place in the unit, from 0.
    pub(super) index: usize,
    pub(super) id: JobId,
    pub(super) replaced: bool,
}

/// What became of a unit.
#[derive(Debug)]
pub(super) enum Kept {
    /// All of its jobs are there, but for those for which others stand.
    Made(Vec<Instead>),
    /// Its request came before, and had these jobs.
    Replayed(Vec<JobId>),
    Refused(StoreError),
    /// Somebody holds one of its keys for too long.
    Busy,
}

/// What became of the units, in their order.
pub(super) fn read(rows: &[Row], units: &[&Unit]) -> Result<Vec<Kept>, Fault> {
    let mut kept: Vec<Kept> = units.iter().map(|_| Kept::Made(Vec::new())).collect();
    let first = |unit: usize| units[..unit].iter().map(|unit| unit.jobs.len()).sum::<usize>();
    for row in rows {
        let number = |column: usize| -> Result<Option<usize>, Fault> {
            let number: Option<i32> = row.try_get(column)?;
            Ok(number.and_then(|number| usize::try_from(number - 1).ok()))
        };
        let nonsense = || Fault::Failed("what became of a unit was not told".into());
        let unit = number(0)?.filter(|unit| *unit < units.len()).ok_or_else(nonsense)?;
        let place = number(2)?.and_then(|place| place.checked_sub(first(unit)));
        let job = row.try_get::<_, Option<Uuid>>(3)?.map(JobId::from_uuid);
        match (row.try_get::<_, i16>(1)?, place, job) {
            (0, Some(index), Some(id)) => {
                let replaced = row.try_get(4)?;
                if let Kept::Made(instead) = &mut kept[unit] {
                    instead.push(Instead { index, id, replaced });
                }
            }
            (1, ..) => kept[unit] = replay(units[unit], row.try_get(5)?),
            (2, Some(index), Some(existing)) => {
                kept[unit] = Kept::Refused(StoreError::UniqueConflict { index, existing });
            }
            (3, ..) => kept[unit] = Kept::Refused(StoreError::IdempotencyMismatch),
            (4, ..) => kept[unit] = Kept::Busy,
            _ => return Err(nonsense()),
        }
    }
    for kept in &mut kept {
        if let Kept::Made(instead) = kept {
            instead.sort_unstable_by_key(|instead| instead.index);
        }
    }
    Ok(kept)
}

/// A request that came before. If it had a job of this very unit, it is this one, whose answer was lost.
fn replay(unit: &Unit, ids: Vec<Uuid>) -> Kept {
    let ids: Vec<JobId> = ids.into_iter().map(JobId::from_uuid).collect();
    if !unit.jobs.iter().any(|spec| ids.contains(&spec.id)) {
        return Kept::Replayed(ids);
    }
    let others = unit.jobs.iter().zip(ids).enumerate().filter(|(_, (spec, id))| spec.id != *id);
    Kept::Made(others.map(|(index, (_, id))| Instead { index, id, replaced: false }).collect())
}

/// Which jobs are to be read before units can be answered.
pub(super) fn to_be_read(kept: &[Kept]) -> Vec<Uuid> {
    let instead = kept.iter().filter_map(|kept| if let Kept::Made(instead) = kept { Some(instead) } else { None });
    instead.flatten().map(|instead| instead.id.as_uuid()).collect()
}

/// The jobs in the rows of `find`.
pub(super) fn jobs(rows: &[Row]) -> Result<HashMap<JobId, Job>, Fault> {
    rows.iter().map(|row| row::job(row).map(|job| (job.id(), job))).collect()
}

/// The answer for a unit, given the jobs that stand for those which were not made.
pub(super) fn answer(kept: Kept, jobs: &HashMap<JobId, Job>) -> Result<Placed, StoreError> {
    match kept {
        Kept::Made(instead) => {
            let found = |Instead { index, id, replaced }| {
                let job = jobs.get(&id).cloned().ok_or(StoreError::NotFound(id))?;
                Ok(Found { index, job, replaced })
            };
            let found = instead.into_iter().map(found).collect::<Result<_, StoreError>>()?;
            Ok(Placed { found, ..Placed::default() })
        }
        Kept::Replayed(ids) => Ok(Placed { replayed: Some(ids), ..Placed::default() }),
        Kept::Refused(why) => Err(why),
        Kept::Busy => Err(busy().into_error(None)),
    }
}

pub(super) fn busy() -> Fault {
    Fault::Busy("another transaction is about to use the same key; try again when it has ended".into())
}

/// New jobs wait: those who might take them are told.
pub(super) fn tell(core: &Core, jobs: &[Arc<JobSpec>]) {
    core.heads.came(jobs.iter().map(|spec| (spec, spec.enqueued_at)));
    core.moved(jobs.len());
    if !jobs.is_empty() && due(jobs).is_none() {
        core.tell_of_work();
    }
}
