//! What the store's answer to a unit means for its callers: which job each call has, made now, found, or made by the
//! same request before.

use std::sync::Arc;

use callboard_tasks::{Error, Found, Job, Lookup, Placed, Snapshot, StoreError};
use futures::future::FutureExt;

use super::desk::Desk;

impl Desk {
    /// The jobs of the calls of a unit. `made` are those that were to be made, as of their enqueue.
    pub(super) async fn answers(&self, mut made: Vec<Snapshot>, placed: Placed) -> Result<Vec<Snapshot>, Error> {
        if let Some(ids) = placed.replayed {
            let mut answers = Vec::with_capacity(ids.len());
            for (id, found) in ids.iter().zip(self.store.get(ids.clone()).await?) {
                match found {
                    // The first answer again: the job as it was when it was enqueued.
                    Lookup::Found(job) => {
                        answers.push(Snapshot { replayed: true, ..self.snapshot(Job::new(job.spec)) })
                    }
                    Lookup::Pruned => return Err(Error::Pruned(*id)),
                    Lookup::Unknown => return Err(Error::NotFound(*id)),
                }
            }
            return Ok(answers);
        }
        for Found { index, job, replaced: _ } in placed.found {
            made[index] = Snapshot { duplicate: true, ..self.snapshot(job) };
        }
        Ok(made)
    }

    /// [`answers`](Self::answers) where the store answers at once.
    pub(super) fn answers_now(&self, made: Vec<Snapshot>, placed: Placed) -> Result<Vec<Snapshot>, Error> {
        if placed.found.is_empty() && placed.replayed.is_none() {
            return Ok(made);
        }
        let no_answer = || Err(StoreError::Unavailable("the store did not answer".into()).into());
        self.answers(made, placed).now_or_never().unwrap_or_else(no_answer)
    }

    /// Tells of jobs that took over what later calls brought: their time may have come, or be another one.
    pub(super) fn follow_replaced(self: &Arc<Self>, found: &[Found]) {
        for Found { job, .. } in found.iter().filter(|found| found.replaced) {
            self.waiters.announce(job);
            match job.state.phase {
                callboard_tasks::Phase::Scheduled => self.note_due(job.effective_time()),
                _ => self.look_for_work(),
            }
        }
    }
}
