//! The Keeper: sees that what is due is looked for, that what does not start goes back, that nobody waits for what has
//! ended, and that history ends.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use callboard_tasks::{Control, Timestamp};
use tracing::{debug, warn};

use super::desk::Desk;
use super::pumps::chain;
use crate::supervise::DeathGuard;

/// How long a claimed job may wait for a worker before others may have it.
const START_WITHIN: Duration = Duration::from_secs(1);
/// How often finished jobs past their time are removed, and how often where there are none; how many at once.
const TIDY_EVERY: Duration = Duration::from_secs(10);
const TIDY_SELDOM: Duration = Duration::from_secs(60);
const PRUNE_BATCH: usize = 1_000;
/// How often attempts are looked at that may run for too long: as often as that takes, within these bounds.
const STUCK_LOOK_LEAST: Duration = Duration::from_millis(20);
const STUCK_LOOK_MOST: Duration = Duration::from_secs(5);
/// How often jobs that are waited for are looked at.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

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
        ctx.run_interval(self.desk.options.stuck_after.clamp(STUCK_LOOK_LEAST, STUCK_LOOK_MOST), |this, _| {
            let desk = Arc::clone(&this.desk);
            actix_rt::spawn(async move { desk.report_stuck().await });
        });
        tidy_later(&self.desk, TIDY_EVERY, ctx);
        ctx.run_interval(LOOK_AGAIN_EVERY, |this, _| {
            if !this.looking.replace(true) {
                let (desk, looking) = (Arc::clone(&this.desk), Rc::clone(&this.looking));
                actix_rt::spawn(async move {
                    desk.look_again().await;
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

/// Tidies after a pause, and again and again: soon where there was something to do, else seldom, because an idle
/// process shall cost its store next to nothing.
fn tidy_later(desk: &Arc<Desk>, pause: Duration, ctx: &mut Context<Keeper>) {
    let desk = Arc::clone(desk);
    ctx.run_later(pause, move |_, ctx| {
        let tidied = {
            let desk = Arc::clone(&desk);
            async move { tidy(&desk).await }
        };
        ctx.spawn(wrap_future::<_, Keeper>(tidied).map(move |busy, _: &mut Keeper, ctx| {
            tidy_later(&desk, if busy { TIDY_EVERY } else { TIDY_SELDOM }, ctx);
        }));
    });
}

/// Removes old history, and moves what nobody can run out of the way. Whether there was anything.
async fn tidy(desk: &Arc<Desk>) -> bool {
    let busy = prune(desk).await;
    // What nobody can run is due and stays so. Where nothing is due, there is nothing to move.
    if desk.due.load(Ordering::Acquire) || !desk.store.waits() {
        if let Err(problem) = desk.store.control(Control::Park).await {
            warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "jobs could not be parked");
        }
        return true;
    }
    busy
}

/// Removes finished jobs past their time, batch by batch. It works half of the time at most, so that whoever has work
/// to write gets between.
async fn prune(desk: &Arc<Desk>) -> bool {
    let mut pruned = 0;
    while !desk.draining.load(Ordering::Acquire) {
        let began = Instant::now();
        match desk.store.prune(PRUNE_BATCH).await {
            Ok(removed) => {
                pruned += removed;
                if removed < PRUNE_BATCH {
                    break;
                }
            }
            Err(problem) => {
                let error = chain(&problem);
                warn!(target: "callboard", backend = %desk.alias, error, "history could not be pruned");
                break;
            }
        }
        tokio::time::sleep(began.elapsed()).await;
    }
    if pruned > 0 {
        debug!(target: "callboard", backend = %desk.alias, pruned, "finished jobs were removed");
    }
    pruned > 0
}
