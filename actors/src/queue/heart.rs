//! The Heart: the beat that keeps the lease of this process. It lives on a thread without any other traffic,
//! because a flooded mailbox starves every timer of its actor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix::{Actor, AsyncContext, Context};
use callboard_tasks::{Beat, CancelReason, Control, Pulse, StoreError};
use tracing::{error, warn};

use super::desk::Desk;
use super::lease::Standing;
use super::pumps::chain;
use crate::supervise::DeathGuard;

/// The actor.
#[derive(Debug)]
pub(crate) struct Heart {
    desk: Arc<Desk>,
    _guard: DeathGuard,
}

impl Heart {
    pub(crate) const fn new(desk: Arc<Desk>, guard: DeathGuard) -> Self {
        Self { desk, _guard: guard }
    }
}

impl Actor for Heart {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let every = self.desk.lease.lock().beat_every();
        ctx.run_interval(every, |this, _| {
            let desk = Arc::clone(&this.desk);
            // A beat has a deadline of its own: one that hangs must not stop the next.
            actix_rt::spawn(async move {
                let limit = desk.lease.lock().beat_every();
                let answer = tokio::time::timeout(limit, beat(&desk)).await;
                if !matches!(answer, Ok(true)) {
                    doubt(&desk);
                }
            });
        });
    }
}

/// Renews the lease and acts on what the store says. Whether the lease is held.
async fn beat(desk: &Arc<Desk>) -> bool {
    let (worker, lease) = (desk.worker_id(), desk.lease.lock().length());
    match desk.store.beat(Beat { worker, lease }).await {
        Ok(pulse) => {
            desk.lease.lock().renewed(Instant::now());
            if !desk.draining.load(Ordering::Acquire) && desk.suspended.swap(false, Ordering::AcqRel) {
                warn!(target: "callboard", backend = %desk.alias, "the store answers again; going on");
                desk.look_for_work();
            }
            follow(desk, pulse);
            true
        }
        Err(StoreError::Gone(_)) if desk.draining.load(Ordering::Acquire) => true,
        Err(StoreError::Gone(_)) => {
            error!(target: "callboard", backend = %desk.alias, %worker, "the lease was lost; registering anew");
            desk.drop_claims();
            desk.renew_worker_id();
            register(desk).await.is_ok()
        }
        Err(problem) => {
            warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "the store did not renew the lease");
            false
        }
    }
}

/// Registers this process under its present id, with the tasks that it can run.
pub(crate) async fn register(desk: &Arc<Desk>) -> Result<(), StoreError> {
    let tasks = desk.hub.registry.iter().flat_map(|task| std::iter::once(&task.name).chain(task.aliases));
    let register = Control::Register {
        worker: desk.worker_id(),
        lease: desk.lease.lock().length(),
        tasks: tasks.map(|name| (*name).to_owned()).collect(),
    };
    desk.store.control(register).await?;
    desk.lease.lock().renewed(Instant::now());
    desk.look_for_work();
    Ok(())
}

/// Does what the pulse tells.
fn follow(desk: &Arc<Desk>, pulse: Pulse) {
    for (id, run) in pulse.cancels {
        desk.cancel(id, run);
    }
    let now: std::collections::HashSet<_> = pulse.paused.into_iter().collect();
    let before = std::mem::replace(&mut *desk.paused.write(), now.clone());
    if before != now {
        desk.hand_back_paused();
        desk.look_for_work();
    }
    if let Some(at) = pulse.next_due {
        desk.note_due(at);
    }
    if desk.store.waits() {
        // Another process may have enqueued, and nobody tells of it: a beat is the longest that its job waits.
        desk.look_for_work();
    }
    for slot in &desk.slots {
        if let Some(blocked) = slot.blocked() {
            warn!(target: "callboard", backend = %desk.alias, worker = slot.number, task = %blocked.task,
                job = %blocked.job, held = ?blocked.held, "user code blocks a worker's thread");
        }
    }
}

/// The store did not answer: starts nothing new after one lease, and lets go after a long time.
fn doubt(desk: &Arc<Desk>) {
    match desk.lease.lock().standing(Instant::now()) {
        Standing::Held => {}
        Standing::Doubtful => {
            if !desk.suspended.swap(true, Ordering::AcqRel) {
                warn!(target: "callboard", backend = %desk.alias, "no answer for a whole lease; starting nothing new");
            }
        }
        Standing::Unreachable => desk.tell_all(CancelReason::LeaseLost),
    }
}
