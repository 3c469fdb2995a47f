//! A worker actor: one thread that takes jobs from the run queue of its backend and runs their attempts.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message};
use callboard_tasks::JobSpec;
use parking_lot::Mutex;

use super::attempt;
use super::desk::Desk;
use super::turn::Turn;
use crate::health::{Blocked, WorkerHealth};
use crate::supervise::{DeathGuard, Live};

/// How long user code may hold a thread before it counts as blocking it.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// How many jobs are started before timers and waiting attempts of the thread get their turn.
const BATCH: usize = 32;

/// How often a worker looks for work again before it goes to sleep.
const LOOKS: usize = 4;

/// There is work in the run queue.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Work;

/// What others know of a worker.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) number: usize,
    pub(crate) live: Live<Worker>,
    /// Whether it has looked for work in vain and must be told of new work.
    pub(crate) idle: AtomicBool,
    /// Whether user code holds its thread, or may before it looks at the run queue again.
    pub(crate) busy: AtomicBool,
    /// The user code that holds its thread now.
    polling: Mutex<Option<(Arc<JobSpec>, Instant)>>,
}

impl Slot {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            live: Live::default(),
            idle: AtomicBool::new(false),
            busy: AtomicBool::new(true),
            polling: Mutex::new(None),
        }
    }

    /// Whether it is sure to look at the run queue before it does anything that could take long.
    pub(crate) fn will_look(&self) -> bool {
        !self.idle.load(Ordering::Acquire) && !self.busy.load(Ordering::Acquire)
    }

    /// Runs a piece of user code, so that others can see what holds the thread.
    pub(crate) fn polling<T>(&self, spec: &Arc<JobSpec>, work: impl FnOnce() -> T) -> T {
        let outer = self.polling.lock().replace((Arc::clone(spec), Instant::now()));
        // An attempt that has waited can be polled while the worker sleeps, and hold its thread then as well.
        let busy = self.busy.swap(true, Ordering::AcqRel);
        let result = work();
        self.busy.store(busy, Ordering::Release);
        *self.polling.lock() = outer;
        result
    }

    /// The user code that has held the thread for too long.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        let polling = self.polling.lock();
        let (spec, since) = polling.as_ref()?;
        let held = since.elapsed();
        (held >= BLOCKED_AFTER).then(|| Blocked { task: spec.task.to_string(), job: spec.id, held })
    }

    pub(crate) fn health(&self) -> WorkerHealth {
        WorkerHealth {
            number: self.number,
            alive: self.live.is_alive(),
            restarts: self.live.restarts(),
            blocked: self.blocked(),
        }
    }
}

/// The actor. It only starts the loop that runs attempts: user code never runs in a handler, and attempts
/// outlive the actor, should it panic.
#[derive(Debug)]
pub(crate) struct Worker {
    desk: Arc<Desk>,
    slot: Arc<Slot>,
    /// Whether the loop runs.
    looping: Rc<Cell<bool>>,
    _guard: DeathGuard,
}

impl Worker {
    pub(crate) fn new(desk: Arc<Desk>, slot: Arc<Slot>, guard: DeathGuard) -> Self {
        Self { desk, slot, looping: Rc::default(), _guard: guard }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(Work);
    }
}

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Self::Context) {
        if !self.looping.replace(true) {
            let (desk, slot) = (Arc::clone(&self.desk), Arc::clone(&self.slot));
            let looping = Looping(Rc::clone(&self.looping));
            actix_rt::spawn(async move {
                run_all(&desk, &slot).await;
                drop(looping);
            });
        }
    }
}

/// Marks the end of the loop, however it ends.
struct Looping(Rc<Cell<bool>>);

impl Drop for Looping {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Starts jobs until there are none.
async fn run_all(desk: &Arc<Desk>, slot: &Arc<Slot>) {
    slot.idle.store(false, Ordering::Release);
    loop {
        for _ in 0..BATCH {
            let Some(turn) = next_turn(desk, slot) else {
                desk.ran_dry();
                slot.idle.store(true, Ordering::Release);
                // What was handed out before the flag was up told nobody.
                if desk.has_turn() && slot.idle.swap(false, Ordering::AcqRel) {
                    break;
                }
                return;
            };
            attempt::start(desk, slot, turn);
        }
        // Attempts that have waited on this thread come first now, and any of them may block it.
        slot.busy.store(true, Ordering::Release);
        tokio::task::yield_now().await;
    }
}

/// The next job to start. Before the worker goes to sleep it lets others run a few times: where enqueuers or the
/// coordination thread wait for this core, there is more to do right afterwards, and a sleep with its wake-up
/// costs more than all of these.
fn next_turn(desk: &Desk, slot: &Slot) -> Option<Turn> {
    for _ in 0..LOOKS {
        if let Some(turn) = desk.next_turn(slot) {
            return Some(turn);
        }
        std::thread::yield_now();
    }
    desk.next_turn(slot)
}

/// Makes the worker panic, as a fault of ours would.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

#[cfg(test)]
impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("the worker was made to crash");
    }
}
