//! The Scheduler: takes the ticks of schedules when their time has come. Each process has one, and each may try: the
//! store gives a tick to the first who comes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use callboard_tasks::{Definition, JobSpec, Lookup, ScheduleDefinition, ScheduleRecord, Tick, Timestamp};
use jiff::SignedDuration;
use parking_lot::{Mutex, RwLock};
use tracing::{debug, warn};

use super::agenda::{Known, overdue, plan};
use super::desk::Desk;
use super::pumps::chain;
use crate::supervise::DeathGuard;

/// The pause after a step that failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Processes come to a tick one after the other, within this time, so that most of them find it taken and do not try.
const SPREAD_MS: u128 = 20;

/// Looks at the schedules.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookAtSchedules;

/// What the threads of a backend share about its schedules.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// What this process declares.
    pub(crate) declared: RwLock<Vec<ScheduleDefinition>>,
    /// The first tick of each schedule that nobody had taken when they were looked at last.
    open: Mutex<Vec<(String, Timestamp)>>,
    /// The number of the list that the last beat told of.
    seen: AtomicU64,
    /// How far the store's clock is ahead of this process's, in microseconds, as far as that is certain.
    ahead: AtomicI64,
}

impl Agenda {
    /// The store has answered a beat, and its time was `theirs`, somewhen between these two times of ours.
    pub(crate) fn compare_clocks(&self, asked: Timestamp, theirs: Timestamp, answered: Timestamp) {
        let ahead = if theirs > answered {
            theirs.as_microsecond() - answered.as_microsecond()
        } else if theirs < asked {
            theirs.as_microsecond() - asked.as_microsecond()
        } else {
            0
        };
        self.ahead.store(ahead, Ordering::Release);
    }

    /// The store's time when ours is `now`.
    fn store_time(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead.load(Ordering::Acquire));
        now.checked_add(ahead).unwrap_or(now)
    }

    /// Whether a beat that tells of this number of the list is a reason to look, at `now` of ours: the list is another
    /// one, or a tick is due, because the clock has jumped or a look has failed.
    pub(crate) fn must_look(&self, number: u64, now: Timestamp) -> bool {
        let changed = self.seen.swap(number, Ordering::AcqRel) != number;
        let now = self.store_time(now);
        changed || self.open.lock().iter().any(|(_, at)| *at <= now)
    }

    /// What should have been taken long ago, as one sentence; `None` if all is on time.
    pub(crate) fn late(&self, now: Timestamp) -> Option<String> {
        let now = self.store_time(now);
        let open = self.open.lock();
        let late: Vec<_> = overdue(&open, now).into_iter().map(|(name, at)| format!("{name} since {at}")).collect();
        (!late.is_empty()).then(|| format!("ticks are not taken: {}", late.join(", ")))
    }
}

/// The actor.
#[derive(Debug)]
pub(crate) struct Scheduler {
    desk: Arc<Desk>,
    timer: Option<SpawnHandle>,
    /// Whether it looks just now, and whether it shall look again after that.
    looking: bool,
    again: bool,
    read: Rc<RefCell<Definitions>>,
    _guard: DeathGuard,
}

/// Definitions that were read before, by their text.
type Definitions = HashMap<String, Arc<Result<Definition, String>>>;

impl Scheduler {
    pub(crate) fn new(desk: Arc<Desk>, guard: DeathGuard) -> Self {
        Self { desk, timer: None, looking: false, again: false, read: Rc::default(), _guard: guard }
    }

    /// Looks again after this pause, unless somebody asks for it before.
    fn look_later(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        self.timer = Some(ctx.run_later(pause, |this, ctx| {
            this.timer = None;
            ctx.notify(LookAtSchedules);
        }));
    }

    /// How long after its time this process comes to a tick.
    fn spread(&self) -> Duration {
        let turn = if self.desk.has_peers.load(Ordering::Acquire) {
            self.desk.worker_id().as_uuid().as_u128() % SPREAD_MS
        } else {
            0
        };
        // The clock counts microseconds, timers milliseconds: a little late finds the tick due, a little early does not.
        Duration::from_millis(1 + turn as u64)
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let desk = Arc::downgrade(&self.desk);
        self.desk.hub.clock.on_change(move || {
            if let Some(desk) = desk.upgrade() {
                desk.look_at_schedules();
            }
        });
        ctx.notify(LookAtSchedules);
    }
}

impl Handler<LookAtSchedules> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: LookAtSchedules, ctx: &mut Self::Context) {
        if self.looking {
            self.again = true;
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.looking = true;
        let (desk, read) = (Arc::clone(&self.desk), Rc::clone(&self.read));
        let look = async move { look(&desk, &read).await };
        ctx.spawn(wrap_future::<_, Self>(look).map(|next, this: &mut Self, ctx| {
            this.looking = false;
            if std::mem::take(&mut this.again) {
                return ctx.notify(LookAtSchedules);
            }
            match next {
                Next::At(at) if !this.desk.hub.clock.is_manual() => {
                    let now = this.desk.agenda.store_time(this.desk.hub.clock.now());
                    let pause = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    this.look_later(pause + this.spread(), ctx);
                }
                // Whoever moves a clock by hand tells of it.
                Next::At(_) | Next::Never => {}
                Next::Soon => this.look_later(TRY_AGAIN, ctx),
            }
        }));
    }
}

/// When to look again.
enum Next {
    At(Timestamp),
    /// When the list has changed.
    Never,
    /// Something has failed.
    Soon,
}

/// Takes what is due, until nothing is.
async fn look(desk: &Arc<Desk>, read: &RefCell<Definitions>) -> Next {
    let mut in_vain = 0;
    loop {
        // A process that only enqueues takes ticks, too.
        if desk.suspended.load(Ordering::Acquire) || desk.draining.load(Ordering::Acquire) {
            return Next::Soon;
        }
        let records = match desk.store.schedules().await {
            Ok(records) => records,
            Err(problem) => {
                warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "schedules could not be read");
                return Next::Soon;
            }
        };
        let known = definitions(desk, read, records);
        let now = desk.agenda.store_time(desk.hub.clock.now());
        let plan = plan(&known, now);
        let next = plan.next();
        *desk.agenda.open.lock() = plan.open;
        if plan.takes.is_empty() {
            return next.map_or(Next::Never, Next::At);
        }
        let (mut failed, mut taken) = (false, false);
        for take in plan.takes {
            let step = match take.tick(&known, desk.hub.clock.now()) {
                Ok(tick) => desk.take_tick(tick).await.map_err(|problem| chain(&problem)),
                Err(invalid) => Err(invalid.to_string()),
            };
            match step {
                Ok(took) => taken |= took,
                Err(error) => {
                    failed = true;
                    let until = take.until;
                    warn!(target: "callboard", backend = %desk.alias, tick = %until, error, "a schedule's tick could not be taken");
                }
            }
        }
        // Others may have been faster again and again; a store that never says yes is asked in peace.
        in_vain = if taken { 0 } else { in_vain + 1 };
        if failed || in_vain > 2 {
            return Next::Soon;
        }
    }
}

/// What each definition says; that of another version may not be readable here, which is told once.
fn definitions(desk: &Desk, read: &RefCell<Definitions>, records: Vec<ScheduleRecord>) -> Vec<Known> {
    let mut read = read.borrow_mut();
    let mut kept = Definitions::new();
    let known = records.into_iter().map(|record| {
        let text = record.definition.as_str();
        let definition = kept.get(text).or_else(|| read.get(text)).cloned().unwrap_or_else(|| {
            let definition = Definition::read(&record.definition);
            if let Err(problem) = &definition {
                warn!(target: "callboard", backend = %desk.alias, schedule = record.name, problem,
                    "a schedule cannot be read by this version; another process must fire it");
            }
            Arc::new(definition)
        });
        kept.insert(text.to_owned(), Arc::clone(&definition));
        Known { record, definition }
    });
    let known = known.collect();
    *read = kept;
    known
}

impl Desk {
    /// The schedules have changed, or the time has.
    pub(crate) fn look_at_schedules(&self) {
        self.family().look_at_schedules();
    }

    /// Takes a tick, and tells of its jobs. Whether it was this process that took it.
    async fn take_tick(self: &Arc<Self>, tick: Tick) -> Result<bool, callboard_tasks::StoreError> {
        let (jobs, schedule, at) = (tick.jobs.clone(), tick.schedule.clone(), tick.at);
        self.expect_enqueued(jobs.iter());
        let answer = self.store.tick(tick).await;
        let made = match &answer {
            Ok(true) => self.made(&jobs).await,
            _ => Vec::new(),
        };
        self.announce_enqueued(made.iter());
        self.forget_enqueued(jobs.iter());
        if let Ok(true) = answer {
            debug!(target: "callboard", backend = %self.alias, schedule, tick = %at, jobs = made.len(), "a schedule's tick was taken");
            for spec in &made {
                if let Some(due) = spec.run_after {
                    self.note_due(due);
                }
            }
            self.look_for_work();
        }
        answer
    }

    /// Those jobs of a tick that were made: the others found their unique key held.
    async fn made(&self, jobs: &[Arc<JobSpec>]) -> Vec<Arc<JobSpec>> {
        if jobs.iter().all(|spec| spec.unique.is_none()) {
            return jobs.to_vec();
        }
        let found = self.store.get(jobs.iter().map(|spec| spec.id).collect()).await.unwrap_or_default();
        let made = jobs.iter().zip(found).filter(|(_, found)| matches!(found, Lookup::Found(_)));
        made.map(|(spec, _)| Arc::clone(spec)).collect()
    }
}
