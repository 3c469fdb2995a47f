//! Schedules: what is planned, and ten years in which processes die while they fire them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    BackendInfo, Clock, Control, Definition, Filter, MemoryOptions, MemoryStore, Missed, Page, QueueNames, Schedule,
    ScheduleDefinition, ScheduleRecord, Store, Supports, Tick, Timestamp, WorkerId, task,
};
use futures::future::FutureExt;
use jiff::SignedDuration;

use crate::queue::{Known, overdue, plan};

#[task]
async fn tidy() {}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn definition(name: &str, line: &str, zone: &str, missed: Missed) -> ScheduleDefinition {
    let schedule = Schedule::cron(line, tidy::with()).unwrap().name(name).timezone(zone).unwrap().missed(missed);
    let backend =
        BackendInfo { alias: "default".into(), supports: Supports::ALL, queues: QueueNames::from_list(["default"]) };
    schedule.define(&backend, Timestamp::UNIX_EPOCH).unwrap()
}

fn known(line: &str, since: &str, last_tick: Option<&str>) -> Known {
    let ScheduleDefinition { name, definition } = definition("tidy", line, "UTC", Missed::One);
    let (since, last_tick) = (at(since), last_tick.map(at));
    let read = Arc::new(Definition::read(&definition));
    let record = ScheduleRecord { name, definition, declared: true, paused: false, since, last_tick };
    Known { record, definition: read }
}

#[test]
fn nothing_is_taken_before_its_time_and_the_first_one_is_waited_for() {
    let schedules = [
        known("0 12 * * *", "2026-01-01T00:00:00Z", None),
        known("0 * * * *", "2026-01-01T00:00:00Z", Some("2026-01-01T08:00:00Z")),
    ];
    let plan = plan(&schedules, at("2026-01-01T08:59:59Z"));
    assert!(plan.takes.is_empty());
    assert_eq!(plan.next(), Some(at("2026-01-01T09:00:00Z")));
}

#[test]
fn a_schedule_counts_from_when_it_became_known_or_from_its_last_tick() {
    let after = |since, last| known("0 * * * *", since, last).stands_at();
    assert_eq!(after("2026-01-01T00:30:00Z", None), at("2026-01-01T00:30:00Z"));
    assert_eq!(after("2026-01-01T00:30:00Z", Some("2026-01-01T08:00:00Z")), at("2026-01-01T08:00:00Z"));
    // It was changed or resumed since.
    assert_eq!(after("2026-01-02T00:30:00Z", Some("2026-01-01T08:00:00Z")), at("2026-01-02T00:30:00Z"));
}

#[test]
fn a_tick_names_the_last_one_as_it_was_read_and_has_its_job() {
    let schedules = [known("0 * * * *", "2026-01-01T00:00:00Z", Some("2026-01-01T08:00:00Z"))];
    let now = at("2026-01-01T09:00:00.5Z");
    let plan = plan(&schedules, now);
    let Tick { schedule, after, at: until, jobs } = plan.takes[0].tick(&schedules, now).unwrap();
    assert_eq!((schedule.as_str(), after), ("tidy", Some(at("2026-01-01T08:00:00Z"))));
    assert_eq!(until, at("2026-01-01T09:00:00Z"));
    assert_eq!((jobs.len(), jobs[0].enqueued_at), (1, now));
    assert_eq!(plan.takes.len(), 1);
}

#[test]
fn a_paused_schedule_and_one_that_cannot_be_read_are_left_alone() {
    let (mut paused, mut foreign) =
        (known("0 * * * *", "2026-01-01T00:00:00Z", None), known("0 * * * *", "2026-01-01T00:00:00Z", None));
    paused.record.paused = true;
    foreign.definition = Arc::new(Err("it is of a later version".into()));
    let plan = plan(&[paused, foreign], at("2026-01-02T00:00:00Z"));
    assert!(plan.takes.is_empty());
    assert_eq!(plan.next(), None);
}

#[test]
fn a_tick_is_late_after_a_minute() {
    let open = [("tidy".to_owned(), at("2026-01-01T09:00:00Z"))];
    assert!(overdue(&open, at("2026-01-01T09:01:00Z")).is_empty());
    assert_eq!(overdue(&open, at("2026-01-01T09:01:00.1Z")).len(), 1);
    assert!(overdue(&open, at("2026-01-01T08:00:00Z")).is_empty());
}

/// Three processes with the same schedules over one store. Each reads, and tries what it has planned up to eight seconds
/// later; now and then it dies between the two, or right after it.
struct World {
    clock: Clock,
    store: MemoryStore,
    schedules: Vec<ScheduleDefinition>,
    processes: [Process; 3],
    steps: BTreeMap<(Timestamp, u64), Step>,
    read: HashMap<String, Arc<Result<Definition, String>>>,
    random: u64,
    deaths: usize,
    in_vain: usize,
}

struct Process {
    worker: WorkerId,
    life: u64,
}

enum Step {
    Start(usize),
    Look(usize, u64),
    Act(usize, u64, Vec<Tick>),
}

const START: &str = "2026-01-01T00:00:00Z";
const END: &str = "2036-01-01T00:00:00Z";

impl World {
    fn new(schedules: Vec<ScheduleDefinition>) -> Self {
        let clock = Clock::manual(at(START));
        let process = |_| Process { worker: WorkerId::new(at(START)), life: 0 };
        let mut world = Self {
            store: MemoryStore::new(clock.clone(), MemoryOptions::default()),
            clock,
            schedules,
            processes: [0, 1, 2].map(process),
            steps: BTreeMap::new(),
            read: HashMap::new(),
            random: 7,
            deaths: 0,
            in_vain: 0,
        };
        for process in 0..3 {
            world.then(at(START), Step::Start(process));
        }
        world
    }

    /// A number below `most`, the same in every run.
    fn chance(&mut self, most: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % most
    }

    fn then(&mut self, at: Timestamp, step: Step) {
        let turn = self.chance(1 << 30);
        self.steps.insert((at, turn), step);
    }

    fn after(&mut self, millis: u64, step: Step) {
        let pause = SignedDuration::from_millis(1 + self.chance(millis) as i64);
        self.then(self.clock.now() + pause, step);
    }

    fn control(&self, control: Control) {
        self.store.control(control).now_or_never().unwrap().unwrap();
    }

    /// Nothing but its lease is left of it, which somebody takes.
    fn die(&mut self, process: usize) {
        self.deaths += 1;
        self.processes[process].life += 1;
        self.control(Control::Leave(self.processes[process].worker));
        self.after(15_000, Step::Start(process));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start(process) => {
                let worker = WorkerId::new(self.clock.now());
                self.processes[process].worker = worker;
                self.control(Control::Register { worker, lease: Duration::from_secs(3), tasks: Vec::new() });
                self.control(Control::Declare { worker, schedules: self.schedules.clone() });
                self.step(Step::Look(process, self.processes[process].life));
            }
            Step::Look(process, life) | Step::Act(process, life, _) if self.processes[process].life != life => {}
            Step::Look(process, life) => {
                let records = self.store.schedules().now_or_never().unwrap().unwrap();
                let read = &mut self.read;
                let known: Vec<_> = records
                    .into_iter()
                    .map(|record| {
                        let text = record.definition.as_str().to_owned();
                        let definition =
                            read.entry(text).or_insert_with(|| Definition::read(&record.definition).into());
                        Known { definition: Arc::clone(definition), record }
                    })
                    .collect();
                let now = self.clock.now();
                let plan = plan(&known, now);
                if plan.takes.is_empty() {
                    let next = plan.next().unwrap();
                    return self.then(next + SignedDuration::from_millis(1), Step::Look(process, life));
                }
                let ticks = plan.takes.iter().map(|take| take.tick(&known, now).unwrap()).collect();
                match self.chance(5) {
                    0 => self.die(process),
                    _ => self.after(8_000, Step::Act(process, life, ticks)),
                }
            }
            Step::Act(process, life, ticks) => {
                for tick in ticks {
                    self.in_vain += usize::from(!self.store.tick(tick).now_or_never().unwrap().unwrap());
                    if self.chance(5) == 0 {
                        return self.die(process);
                    }
                }
                self.step(Step::Look(process, life));
            }
        }
    }

    /// Lives until the end; the ticks that have jobs, by schedule.
    fn run(&mut self) -> BTreeMap<String, Vec<String>> {
        while let Some(((time, _), step)) = self.steps.pop_first() {
            if time >= at(END) {
                break;
            }
            self.clock.set(time);
            self.step(step);
        }
        let (mut found, mut before) = (BTreeMap::<String, Vec<String>>::new(), None);
        loop {
            let page = Page { limit: 1_000, before };
            let listing = self.store.list(Filter::default(), page).now_or_never().unwrap().unwrap();
            for job in listing.jobs {
                let of = job.spec.metadata.as_ref().unwrap().to_value();
                let of = &of["schedule"];
                let ticks = found.entry(of["name"].as_str().unwrap().to_owned()).or_default();
                ticks.push(of["tick"].as_str().unwrap().to_owned());
            }
            before = listing.next;
            if before.is_none() {
                break;
            }
        }
        found.values_mut().for_each(|ticks| ticks.sort());
        found
    }
}

#[test]
fn in_ten_years_of_dying_processes_no_tick_is_missing_and_none_is_double() {
    let schedules = [
        ("monthly", "0 12 1 * *", "UTC"),
        ("at night", "30 2 * * *", "Europe/Berlin"),
        ("weekly", "30 2 * * MON", "America/New_York"),
    ];
    let named = |name: &str| name.replace(' ', "-");
    let definitions = schedules.map(|(name, line, zone)| definition(&named(name), line, zone, Missed::One)).to_vec();
    let mut world = World::new(definitions.clone());
    let mut found = world.run();
    for ScheduleDefinition { name, definition } in &definitions {
        let calendar = Definition::read(definition).unwrap().calendar;
        let expected =
            calendar.ticks_after(at(START)).take_while(|tick| *tick < at(END) - SignedDuration::from_mins(2));
        let expected: Vec<_> = expected.map(|tick| tick.to_string()).collect();
        let ticks = found.remove(name).unwrap();
        assert!(expected.len() > 100, "{name}");
        assert!(ticks == expected, "{name}: {} ticks, not {}", ticks.len(), expected.len());
    }
    // It was not a quiet life.
    assert!(world.deaths > 1_000, "{}", world.deaths);
    assert!(world.in_vain > 500, "{}", world.in_vain);
}
