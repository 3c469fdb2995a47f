//! Units that may be there already: with an idempotency key, or with jobs of which there shall be one.
//!
//! What would happen is found out first, and written only if nothing stands against it: so a refused unit has nothing
//! to take back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use callboard_tasks::{Found, Job, JobId, OnConflict, Placed, StoreError};

use super::enqueue::{NewJob, NewUnit, put_waiting};
use super::fault::Trouble;
use super::txn::Txn;

/// What becomes of a unit.
#[derive(Default)]
struct Plan<'u> {
    /// The jobs that are made, in order.
    new: Vec<&'u NewJob>,
    new_ids: HashSet<JobId>,
    /// Jobs that hold a unique key which came up, of the store or of the unit.
    holders: HashMap<&'u str, Holder>,
    found: Vec<Found>,
}

struct Holder {
    /// As it was before the unit changed it, if it did.
    before: Option<Job>,
    job: Job,
}

/// Keeps a unit, unless it was kept before. It is not handed off.
pub(super) fn put(txn: &mut Txn<'_, '_>, unit: &NewUnit) -> Result<Placed, Trouble> {
    if let Some(request) = &unit.idempotency
        && let Some(ids) = txn.replay(request)?
    {
        return Ok(Placed { replayed: Some(ids), ..Placed::default() });
    }
    txn.check_depth(unit.queues())?;
    let mut plan = Plan::default();
    for (index, job) in unit.jobs.iter().enumerate() {
        plan.add(txn, index, job)?;
    }
    plan.write(txn)?;
    if let Some(request) = &unit.idempotency {
        let mut ids: Vec<JobId> = unit.jobs.iter().map(|job| job.spec.id).collect();
        for found in &plan.found {
            ids[found.index] = found.job.id();
        }
        txn.keep_request(request, &ids)?;
    }
    Ok(Placed { found: plan.found, ..Placed::default() })
}

impl<'u> Plan<'u> {
    fn add(&mut self, txn: &mut Txn<'_, '_>, index: usize, new: &'u NewJob) -> Result<(), Trouble> {
        let spec = &new.spec;
        let unique = spec.unique.as_deref();
        if let Some(unique) = unique {
            let key = unique.key.as_str();
            if !self.holders.contains_key(key)
                && let Some(job) = txn.holder(key)?
            {
                self.holders.insert(key, Holder { before: None, job });
            }
            if let Some(holder) = self.holders.get_mut(key) {
                let conflict = StoreError::UniqueConflict { index, existing: holder.job.id() };
                let replaced = match unique.on_conflict {
                    OnConflict::Reject => return Err(Trouble::Refused(conflict)),
                    OnConflict::Return => false,
                    OnConflict::Replace => {
                        let before = holder.job.clone();
                        holder.job.replace(spec, txn.now).map_err(|_| Trouble::Refused(conflict))?;
                        holder.before.get_or_insert(before);
                        true
                    }
                };
                self.found.push(Found { index, job: holder.job.clone(), replaced });
                return Ok(());
            }
        }
        if !self.new_ids.insert(spec.id) || txn.is_taken(spec.id)? {
            return Err(Trouble::Refused(StoreError::DuplicateId(spec.id)));
        }
        self.new.push(new);
        if let Some(unique) = unique {
            let job = Job::new(Arc::clone(spec));
            if job.held_key(txn.now).is_some() {
                self.holders.insert(&unique.key, Holder { before: None, job });
            }
        }
        Ok(())
    }

    fn write(&self, txn: &mut Txn<'_, '_>) -> Result<(), Trouble> {
        put_waiting(txn, &self.new)?;
        for new in self.new.iter().filter(|new| new.spec.unique.is_some()) {
            txn.hold(&Job::new(Arc::clone(&new.spec)))?;
        }
        for holder in self.holders.values() {
            if let Some(before) = &holder.before {
                txn.rewrite(before, &holder.job)?;
            }
        }
        Ok(())
    }
}

impl Txn<'_, '_> {
    fn is_taken(&self, id: JobId) -> Result<bool, Trouble> {
        let mut select = self.connection.prepare_cached("SELECT 1 FROM callboard_jobs WHERE id = ?1")?;
        Ok(select.exists([id.as_uuid().as_bytes()])?)
    }
}
