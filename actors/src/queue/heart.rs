//! The Heart: the beat that keeps the lease of this process. It lives on a thread without any other traffic,
//! because a flooded mailbox starves every timer of its actor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix::{Actor, AsyncContext, Context};
use callboard_tasks::{Beat, CancelReason, Control, Pulse, StoreError, WorkerId};
use parking_lot::Mutex;
use tracing::{error, warn};

use super::desk::Desk;
use super::lease::{Look, Looks, Seen, Standing};
use super::pumps::chain;
use crate::supervise::DeathGuard;

/// The actor.
#[derive(Debug)]
pub(crate) struct Heart {
    desk: Arc<Desk>,
    looks: Arc<Mutex<Looks>>,
    _guard: DeathGuard,
}

impl Heart {
    pub(crate) fn new(desk: Arc<Desk>, guard: DeathGuard) -> Self {
        Self { desk, looks: Arc::default(), _guard: guard }
    }
}

impl Actor for Heart {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let every = self.desk.lease.lock().beat_every();
        ctx.run_interval(every, |this, _| {
            let (desk, looks) = (Arc::clone(&this.desk), Arc::clone(&this.looks));
            actix_rt::spawn(async move { beat_in_time(&desk, &looks).await });
        });
    }
}

/// Beats, and once more before the next beat where the lease of a peer may have ended by then. A beat has a deadline
/// of its own: one that hangs must not stop the next.
async fn beat_in_time(desk: &Arc<Desk>, looks: &Mutex<Looks>) {
    for _ in 0..2 {
        let limit = desk.lease.lock().beat_every();
        let Ok(Some(seen)) = tokio::time::timeout(limit, beat(desk, looks)).await else {
            return doubt(desk);
        };
        for lost in seen.lost {
            rescue(desk, lost).await;
        }
        match seen.again {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return,
        }
    }
}

/// Renews the lease and acts on what the store says. `None` if the lease is not held.
async fn beat(desk: &Arc<Desk>, looks: &Mutex<Looks>) -> Option<Seen> {
    let (worker, held) = (desk.worker_id(), *desk.lease.lock());
    let (lease, every) = (held.length(), held.beat_every());
    let (asked, asked_at) = (Instant::now(), desk.hub.clock.now());
    match desk.store.beat(Beat { worker, lease }).await {
        Ok(pulse) => {
            desk.lease.lock().renewed(asked);
            if !desk.draining.load(Ordering::Acquire) && desk.suspended.swap(false, Ordering::AcqRel) {
                warn!(target: "callboard", backend = %desk.alias, "the store answers again; going on");
                desk.look_for_work();
            }
            let look = Look { asked, answered: Instant::now(), now: pulse.now, peers: &pulse.peers };
            let seen = looks.lock().take(look, every);
            desk.agenda.compare_clocks(asked_at, pulse.now, desk.hub.clock.now());
            follow(desk, pulse);
            Some(seen)
        }
        Err(StoreError::Gone(_)) if desk.draining.load(Ordering::Acquire) => Some(Seen::default()),
        Err(StoreError::Gone(_)) => {
            error!(target: "callboard", backend = %desk.alias, %worker, "the lease was lost; registering anew");
            desk.drop_claims();
            desk.renew_worker_id();
            register(desk).await.is_ok().then(Seen::default)
        }
        Err(problem) => {
            warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "the store did not renew the lease");
            None
        }
    }
}

/// Takes the lease of a process that is gone, and frees its jobs.
async fn rescue(desk: &Arc<Desk>, lost: WorkerId) {
    match desk.store.rescue(lost).await {
        Ok(freed) => {
            warn!(target: "callboard", backend = %desk.alias, worker = %lost, jobs = freed,
                "the lease of another process ended without a word; its jobs are free again");
            desk.look_for_work();
        }
        // The next beat sees it as this one did.
        Err(problem) => {
            let error = chain(&problem);
            warn!(target: "callboard", backend = %desk.alias, worker = %lost, error, "its jobs could not be freed");
        }
    }
}

/// Registers this process under its present id, with the tasks that it can run and the schedules that it declares.
pub(crate) async fn register(desk: &Arc<Desk>) -> Result<(), StoreError> {
    // A process that works nothing keeps no job from being parked that nobody can run.
    let tasks = desk.hub.registry.runnable().filter(|_| desk.permits.works_any());
    let register = Control::Register {
        worker: desk.worker_id(),
        lease: desk.lease.lock().length(),
        tasks: tasks.map(str::to_owned).collect(),
    };
    desk.store.control(register).await?;
    let schedules = desk.agenda.declared.read().clone();
    if !schedules.is_empty() {
        let declare = Control::Declare { worker: desk.worker_id(), schedules };
        desk.store.control(declare).await?;
    }
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
    if desk.limited.set_all(pulse.limits) {
        desk.look_for_work();
    }
    if let Some(at) = pulse.next_due {
        desk.note_due(at);
    }
    desk.has_peers.store(!pulse.peers.is_empty(), Ordering::Release);
    desk.due.store(pulse.due, Ordering::Release);
    if desk.agenda.must_look(pulse.schedules, desk.hub.clock.now()) {
        desk.look_at_schedules();
    }
    if pulse.due {
        // Another process may have enqueued, and its word was lost: a beat is the longest that its job waits.
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
