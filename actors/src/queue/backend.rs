//! The backend actor of a queue: decides on one thread, and supervises workers, Heart, Keeper and Scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use actix_rt::ArbiterHandle;
use callboard_tasks::Timestamp;
use parking_lot::Mutex;
use tracing::{error, warn};

use super::desk::Desk;
use super::heart::Heart;
use super::keeper::{Due, Keeper};
use super::pumps::{Pump, Stopper, refill, take_in, write_out};
use super::scheduler::{LookAtSchedules, Scheduler};
use super::worker::Worker;
use crate::supervise::{Budget, DeathGuard, Exit, Live, Restarts, Verdict};

/// Something waits at the desk.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Wake;

/// A child has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Ended {
    child: Child,
    exit: Exit,
}

/// What the backend supervises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    Worker(usize),
    Heart,
    Keeper,
    Scheduler,
}

/// What must outlive the actor, should it panic: its children run on, and their restarts count on.
#[derive(Debug, Default)]
pub(crate) struct Family {
    arbiters: Mutex<Vec<ArbiterHandle>>,
    /// Whether the threads of the workers end because they should.
    stopping: AtomicBool,
    restarts: Mutex<Vec<(Child, Restarts)>>,
    heart: Live<Heart>,
    keeper: Live<Keeper>,
    scheduler: Live<Scheduler>,
    pumps: [Arc<Pump>; 3],
    last_queue: Mutex<Option<String>>,
}

impl Family {
    /// Tells the Keeper when something is due.
    pub(crate) fn note_due(&self, at: Timestamp) {
        self.keeper.with(|keeper| keeper.do_send(Due(at)));
    }

    /// Has the Scheduler look; one that is about to be started looks by itself.
    pub(crate) fn look_at_schedules(&self) {
        self.scheduler.with(|scheduler| scheduler.do_send(LookAtSchedules));
    }

    /// Has the stream of outcomes look again, if it runs: nobody needs to be woken for what it will find.
    pub(crate) fn outcomes_go_on(&self) -> bool {
        self.pumps[1].again()
    }

    /// Whether the Heart's actor takes messages.
    pub(crate) fn heart_beats(&self) -> bool {
        self.heart.is_alive()
    }

    /// Stops the threads of the workers.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for arbiter in self.arbiters.lock().drain(..) {
            arbiter.stop();
        }
    }
}

/// The actor.
#[derive(Debug)]
pub(crate) struct QueueBackend {
    desk: Arc<Desk>,
    family: Arc<Family>,
    _guard: DeathGuard,
}

impl QueueBackend {
    /// Starts the actor on the present thread, and again whenever it panics, within its budget.
    pub(crate) fn supervised(desk: Arc<Desk>) {
        let (report, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let start = move |report: &tokio::sync::mpsc::UnboundedSender<Exit>| {
            let report = report.clone();
            let guard = DeathGuard::new(move |exit| {
                let _ = report.send(exit);
            });
            let family = Arc::clone(desk.family());
            let backend = Self { desk: Arc::clone(&desk), family, _guard: guard };
            desk.backend.set(backend.start());
            // The old one may have died with the flag up. It goes down only now that whoever puts it up again wakes
            // the new one.
            desk.looked();
            desk.wake();
            Arc::clone(&desk)
        };
        let desk = start(&report);
        actix_rt::spawn(async move {
            let mut restarts = Restarts::default();
            while let Some(exit) = ends.recv().await {
                match restarts.judge(exit, Budget::STANDARD, Instant::now()) {
                    Verdict::Leave => break,
                    Verdict::Restart(pause) => {
                        warn!(target: "callboard", backend = %desk.alias, ?pause, "the backend actor panicked; restarting it");
                        tokio::time::sleep(pause).await;
                        start(&report);
                    }
                    Verdict::GiveUp => {
                        error!(target: "callboard", backend = %desk.alias, "the backend actor panics again and again; giving up");
                        *desk.degraded.lock() = Some("the backend actor panics again and again".into());
                        break;
                    }
                }
            }
        });
    }

    fn start_child(&self, child: Child) {
        let desk = Arc::clone(&self.desk);
        // Whoever is the backend then: this one may be gone by that time.
        let home = Arc::clone(&desk);
        let guard = DeathGuard::new(move |exit| home.backend.with(|backend| backend.do_send(Ended { child, exit })));
        match child {
            Child::Worker(number) => {
                let slot = Arc::clone(&desk.slots[number]);
                let home = self.home_of(number);
                let (desk_, slot_) = (Arc::clone(&desk), Arc::clone(&slot));
                slot.live.set(Worker::start_in_arbiter(&home, move |_| Worker::new(desk_, slot_, guard)));
            }
            Child::Heart => {
                let home = desk.hub.threads.heart.clone();
                self.family.heart.set(Heart::start_in_arbiter(&home, move |_| Heart::new(desk, guard)));
            }
            Child::Keeper => {
                self.family.keeper.set(Keeper::new(desk, guard).start());
            }
            Child::Scheduler => {
                self.family.scheduler.set(Scheduler::new(desk, guard).start());
            }
        }
    }

    /// The thread of a worker; a new one if the old one has ended.
    fn home_of(&self, number: usize) -> ArbiterHandle {
        let threads = &self.desk.hub.threads;
        let mut arbiters = self.family.arbiters.lock();
        while arbiters.len() <= number {
            arbiters.push(threads.another());
        }
        // An arbiter that has ended takes no work, and says so only when asked.
        if !arbiters[number].spawn_fn(|| {}) {
            arbiters[number] = threads.another();
        }
        arbiters[number].clone()
    }

    fn is_alive(&self, child: Child) -> bool {
        match child {
            Child::Worker(number) => self.desk.slots[number].live.is_alive(),
            Child::Heart => self.family.heart.is_alive(),
            Child::Keeper => self.family.keeper.is_alive(),
            Child::Scheduler => self.family.scheduler.is_alive(),
        }
    }

    fn children(&self) -> impl Iterator<Item = Child> + use<> {
        (0..self.desk.slots.len()).map(Child::Worker).chain([Child::Heart, Child::Keeper, Child::Scheduler])
    }
}

impl Actor for QueueBackend {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // A restarted backend finds its children alive, except those that died while it was away.
        for child in self.children() {
            if !self.is_alive(child) {
                self.start_child(child);
            }
        }
    }
}

impl Handler<Ended> for QueueBackend {
    type Result = ();

    fn handle(&mut self, Ended { child, exit }: Ended, ctx: &mut Self::Context) {
        // No child stops by itself: its thread has ended, and unless it was to, the child needs another.
        let expected = self.family.stopping.load(Ordering::Acquire) || self.desk.hub.threads.are_stopping();
        let exit = if expected { exit } else { Exit::Panicked };
        let verdict = {
            let mut restarts = self.family.restarts.lock();
            if !restarts.iter().any(|(known, _)| *known == child) {
                restarts.push((child, Restarts::default()));
            }
            let (_, history) = restarts.iter_mut().find(|(known, _)| *known == child).expect("it was just added");
            history.judge(exit, Budget::STANDARD, Instant::now())
        };
        match verdict {
            Verdict::Leave => {}
            Verdict::Restart(pause) => {
                warn!(target: "callboard", backend = %self.desk.alias, ?child, ?pause, "a child panicked, or its thread has ended; restarting it");
                ctx.run_later(pause, move |this, _| {
                    if !this.is_alive(child) {
                        this.start_child(child);
                    }
                });
            }
            Verdict::GiveUp => {
                error!(target: "callboard", backend = %self.desk.alias, ?child, "a child panics again and again; giving up");
                *self.desk.degraded.lock() = Some(format!("{child:?} panics again and again"));
            }
        }
    }
}

impl Handler<Wake> for QueueBackend {
    type Result = ();

    fn handle(&mut self, _: Wake, _: &mut Self::Context) {
        self.desk.looked();
        let [calls, outcomes, claims] = &self.family.pumps;
        run(calls, &self.desk, async |desk| while take_in(desk).await {});
        let family = Arc::clone(&self.family);
        run(outcomes, &self.desk, async move |desk| {
            while write_out(desk).await {}
            // What was finished makes room.
            let claims = Arc::clone(&family.pumps[2]);
            let family = Arc::clone(&family);
            run(&claims, desk, async move |desk| while refill(desk, &family.last_queue).await {});
        });
        let family = Arc::clone(&self.family);
        run(claims, &self.desk, async move |desk| while refill(desk, &family.last_queue).await {});
    }
}

/// Runs a stream until nothing is left, unless it runs already.
fn run(pump: &Arc<Pump>, desk: &Arc<Desk>, work: impl AsyncFn(&Arc<Desk>) + 'static) {
    if !pump.start() {
        return;
    }
    let (stopper, desk) = (Stopper(Arc::clone(pump)), Arc::clone(desk));
    actix_rt::spawn(async move {
        loop {
            stopper.0.round();
            work(&desk).await;
            if stopper.0.stop() {
                break;
            }
        }
        std::mem::forget(stopper);
    });
}

/// Makes the backend panic, as a fault of ours would.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

#[cfg(test)]
impl Handler<Crash> for QueueBackend {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("the backend was made to crash");
    }
}
