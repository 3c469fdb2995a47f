//! The Keeper: sees that what is due is looked for, that what does not start goes back, that nobody waits for what has
//! ended, and that history ends.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use callboard_tasks::{Control, Lookup, Timestamp};
use tracing::{debug, warn};

use super::desk::Desk;
use super::pumps::chain;
use crate::supervise::DeathGuard;

/// How long a claimed job may wait for a worker before others may have it.
const START_WITHIN: Duration = Duration::from_secs(1);
/// How often finished jobs past their time are removed, and how many at once.
const PRUNE_EVERY: Duration = Duration::from_secs(10);
const PRUNE_BATCH: usize = 1_000;
/// How often jobs that are waited for are looked at, and how many at once.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);
const LOOK_BATCH: usize = 1_000;

/// A job is due at this time.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Due(pub(crate) Timestamp);

/// The actor.
#[derive(Debug)]
pub(crate) struct Keeper {
    desk: Arc<Desk>,
    /// The earliest time that something is known to be due, and the timer for it.
    due: Option<(Timestamp, SpawnHandle)>,
    /// Whether it still looks at what is waited for.
    looking: Rc<Cell<bool>>,
    _guard: DeathGuard,
}

impl Keeper {
    pub(crate) fn new(desk: Arc<Desk>, guard: DeathGuard) -> Self {
        Self { desk, due: None, looking: Rc::default(), _guard: guard }
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let desk = Arc::downgrade(&self.desk);
        self.desk.hub.clock.on_change(move || {
            if let Some(desk) = desk.upgrade() {
                desk.look_for_work();
            }
        });
        ctx.run_interval(START_WITHIN / 2, |this, _| {
            if this.desk.hand_back(START_WITHIN) > 0 {
                this.desk.look_for_work();
            }
        });
        ctx.run_interval(PRUNE_EVERY, |this, _| {
            let desk = Arc::clone(&this.desk);
            actix_rt::spawn(async move { tidy(&desk).await });
        });
        ctx.run_interval(LOOK_AGAIN_EVERY, |this, _| {
            if !this.looking.replace(true) {
                let (desk, looking) = (Arc::clone(&this.desk), Rc::clone(&this.looking));
                actix_rt::spawn(async move {
                    look_again(&desk).await;
                    looking.set(false);
                });
            }
        });
    }
}

impl Handler<Due> for Keeper {
    type Result = ();

    fn handle(&mut self, Due(at): Due, ctx: &mut Self::Context) {
        if self.due.as_ref().is_some_and(|(known, _)| *known <= at) || self.desk.hub.clock.is_manual() {
            return;
        }
        if let Some((_, timer)) = self.due.take() {
            ctx.cancel_future(timer);
        }
        let pause = at.duration_since(self.desk.hub.clock.now());
        let pause = Duration::try_from(pause).unwrap_or_default();
        // The clock counts microseconds, timers milliseconds: a little late finds the job due, a little early does not.
        let timer = ctx.run_later(pause + Duration::from_millis(1), |this, _| {
            this.due = None;
            this.desk.look_for_work();
        });
        self.due = Some((at, timer));
    }
}

/// Tells those who wait for jobs that have ended unseen: in another process, or in the store itself, as by expiry.
async fn look_again(desk: &Arc<Desk>) {
    for ids in desk.waiters.jobs().chunks(LOOK_BATCH) {
        // A store that does not answer now is asked again a second later.
        let Ok(found) = desk.store.get(ids.to_vec()).await else { return };
        for (id, found) in ids.iter().zip(found) {
            match found {
                Lookup::Found(job) => desk.waiters.announce(&job),
                Lookup::Pruned | Lookup::Unknown => desk.waiters.dismiss(*id),
            }
        }
    }
}

/// Removes old history, and moves what nobody here can run out of the way.
async fn tidy(desk: &Arc<Desk>) {
    if desk.draining.load(Ordering::Acquire) {
        return;
    }
    match desk.store.prune(PRUNE_BATCH).await {
        Ok(0) => {}
        Ok(pruned) => debug!(target: "callboard", backend = %desk.alias, pruned, "finished jobs were removed"),
        Err(problem) => {
            warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "history could not be pruned");
        }
    }
    if let Err(problem) = desk.store.control(Control::Park).await {
        warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "jobs could not be parked");
    }
}
