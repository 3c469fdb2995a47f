//! Configures and starts a board.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    BackendInfo, BoxError, Clock, DataKey, DataMap, Error, InvalidSchedule, Json, MemoryOptions, MemoryStore, Problem,
    QueueNames, Registry, RegistryError, Schedule, Store, StoreError, Task, TaskDefinition, check_name,
};
use tracing::{info, warn};

use crate::Callboard;
use crate::backend::{Backend, Kind};
use crate::budget::Budget;
use crate::custom::CustomGate;
use crate::door::Gate;
use crate::dummy::DummyGate;
use crate::handle::Inner;
use crate::health::PartHealth;
use crate::hub::Hub;
use crate::immediate::ImmediateGate;
use crate::open::{OpenFailure, Unopened};
use crate::prepare::{Parts, Prepares};
use crate::queue::QueueGate;
use crate::threads::Threads;
use crate::work::Work;

/// A board to be configured: say where calls go, what tasks are given, and [`start`](Self::start) it.
pub struct Builder {
    backends: BTreeMap<String, Backend>,
    tasks: Option<Vec<&'static TaskDefinition>>,
    more_tasks: Vec<&'static TaskDefinition>,
    prepares: Prepares,
    parts: Parts,
    refused: Option<(&'static str, BoxError)>,
    required: Vec<String>,
    schedules: Vec<Schedule>,
    data: DataMap,
    clock: Clock,
    grace: Duration,
    patient: bool,
    budget: Budget,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            backends: BTreeMap::new(),
            tasks: None,
            more_tasks: Vec::new(),
            prepares: Prepares::default(),
            parts: Parts::default(),
            refused: None,
            required: Vec::new(),
            schedules: Vec::new(),
            data: DataMap::default(),
            clock: Clock::system(),
            grace: Duration::from_secs(25),
            patient: false,
            budget: Budget::default(),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("backends", &self.backends).finish_non_exhaustive()
    }
}

/// Something that configures a board, such as a settings file.
pub trait Configure {
    /// Adds what it says to `builder`.
    fn configure(self, builder: Builder) -> Builder;
}

impl Builder {
    /// The backend `default` keeps its jobs in memory.
    #[must_use]
    pub fn memory(self) -> Self {
        self.backend("default", Backend::memory())
    }

    /// Adds a backend; it replaces an earlier one of that alias. There must be one named `default`.
    #[must_use]
    pub fn backend(mut self, alias: impl Into<String>, backend: Backend) -> Self {
        self.backends.insert(alias.into(), backend);
        self
    }

    /// Lets calls of the backend `alias` also name this queue.
    #[must_use]
    pub fn queue(mut self, alias: &str, queue: impl Into<String>) -> Self {
        if let Some(QueueNames::Only(names)) = self.backends.get_mut(alias).map(|backend| &mut backend.queues) {
            names.insert(queue.into());
        }
        self
    }

    /// Which queues this process works, of every backend: each one's own [`Work`] is given to `change`.
    #[must_use]
    pub fn work(mut self, change: impl Fn(Work) -> Work) -> Self {
        for backend in self.backends.values_mut() {
            backend.options.work = change(std::mem::take(&mut backend.options.work));
        }
        self
    }

    /// Of every backend only these queues, each with how many attempts run at once if that is not what the backend says:
    /// what `callboard worker --queues` does.
    ///
    /// # Errors
    ///
    /// A queue that no backend has.
    #[doc(hidden)]
    pub fn works_only(mut self, queues: &[(String, Option<usize>)]) -> Result<Self, String> {
        self.must_know(queues.iter().map(|(queue, _)| queue.as_str()))?;
        for Backend { queues: known, options, .. } in self.backends.values_mut() {
            let ours = || queues.iter().filter(|(queue, _)| known.allow(queue));
            let work = std::mem::take(&mut options.work).only(ours().map(|(queue, _)| queue));
            options.work = ours().fold(work, |work, (queue, most)| match most {
                Some(most) => work.at_most(queue, *most),
                None => work,
            });
        }
        Ok(self)
    }

    /// Of every backend nothing of these queues: what `callboard worker --exclude` does.
    ///
    /// # Errors
    ///
    /// A queue that no backend has.
    #[doc(hidden)]
    pub fn works_all_but(self, queues: &[String]) -> Result<Self, String> {
        self.must_know(queues.iter().map(String::as_str))?;
        Ok(self.work(|work| work.except(queues)))
    }

    fn must_know<'a>(&self, mut queues: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let known = |queue: &str| self.backends.values().any(|backend| backend.queues.allow(queue));
        let Some(unknown) = queues.find(|queue| !known(queue)) else { return Ok(()) };
        let names = self.backends.values().filter_map(|backend| match &backend.queues {
            QueueNames::Only(names) => Some(names),
            QueueNames::Any => None,
        });
        let names: std::collections::BTreeSet<_> = names.flatten().map(String::as_str).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        Err(format!("no backend has a queue {unknown:?}; there are {names}"))
    }

    /// Whether any backend has a store that other processes could share.
    #[doc(hidden)]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.backends.values().any(|backend| matches!(backend.kind, Kind::Store(_) | Kind::Opened(_)))
    }

    /// Enqueues only: runs nothing, whatever the backends say. For a web process beside worker processes.
    #[must_use]
    pub fn enqueue_only(self) -> Self {
        self.work(|_| Work::none())
    }

    /// Starts so many attempts and then nothing more; [`Callboard::until_idle`] ends when they have.
    #[must_use]
    pub fn max_tasks(mut self, attempts: usize) -> Self {
        self.budget = Budget::of(attempts);
        self
    }

    /// Does what these settings say.
    #[must_use]
    pub fn settings(self, settings: impl Configure) -> Self {
        settings.configure(self)
    }

    /// Gives tasks a value: those with a parameter `Data<T>` receive it.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.data_arc(Arc::new(value))
    }

    /// Gives tasks a shared value, for instance what actix-web's `web::Data::into_inner` returns.
    #[must_use]
    pub fn data_arc<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.data.insert(value);
        self
    }

    /// Registers these tasks; the first call of this replaces what the linker found, later ones add.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Self {
        self.tasks.get_or_insert_default().extend(tasks);
        self
    }

    /// Registers these tasks beside the others, whether those are the linker's or given by [`tasks`](Self::tasks).
    #[must_use]
    pub fn more_tasks(mut self, tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Self {
        self.more_tasks.extend(tasks);
        self
    }

    /// Looks at the arguments of each call of the task `T` before it is kept, wherever it comes from: refuses it, with a
    /// pointer to each wrong argument, or changes the arguments, which must stay those of the task. Replaces what was
    /// said for this task before.
    ///
    /// A call that is enqueued past this board, by another process or a statement of SQL, is not looked at.
    #[must_use]
    pub fn prepare<T: Task>(
        mut self,
        prepare: impl Fn(&Json) -> Result<Option<Json>, Vec<Problem>> + Send + Sync + 'static,
    ) -> Self {
        self.prepares.insert(T::NAME, prepare);
        self
    }

    /// Shows the state of parts of the program in the health of the board; `state` is asked each time and must not wait.
    /// Replaces what was said under this name before.
    #[must_use]
    pub fn part(mut self, name: &'static str, state: impl Fn() -> Vec<PartHealth> + Send + Sync + 'static) -> Self {
        self.parts.insert(name, state);
        self
    }

    /// Refuses to start, because this part of the program cannot be used. For settings, which find out while they
    /// configure.
    #[must_use]
    pub fn refuse(mut self, part: &'static str, problem: impl Into<BoxError>) -> Self {
        self.refused.get_or_insert((part, problem.into()));
        self
    }

    /// The value of that type that tasks will be given.
    #[must_use]
    pub fn given<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.data.get()
    }

    /// Refuses to start unless tasks of these full names are registered.
    ///
    /// The linker leaves out a crate that nothing in the program names, and with it all its tasks, without a
    /// warning. This is the net under that trap; the cure is `use my_tasks as _;` in the program.
    #[must_use]
    pub fn required_tasks<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required.extend(names.into_iter().map(Into::into));
        self
    }

    /// Declares a schedule: it fires while this or another process that declares it lives, once for all of them.
    ///
    /// ```
    /// # use callboard_actors::Callboard;
    /// # use callboard_tasks::{Schedule, task};
    /// #[task]
    /// async fn send_digest(list: String) {}
    ///
    /// # fn main() -> Result<(), callboard_tasks::InvalidSchedule> {
    /// let daily = Schedule::cron("0 9 * * *", send_digest::with("news"))?.name("digest").timezone("Europe/Berlin")?;
    /// let builder = Callboard::builder().memory().schedule(daily);
    /// # let _ = builder;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Takes the time from this clock; stores given ready-made have their own.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long a shutdown lets attempts run; 25 s unless said.
    #[must_use]
    pub const fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The stores of this configuration that a board would open at its start, by alias.
    #[must_use]
    pub fn into_stores(self) -> BTreeMap<String, Unopened> {
        let unopened = |(alias, backend): (String, Backend)| {
            let Backend { kind, keep_successful, keep_failed, .. } = backend;
            let Kind::Opened(opener) = kind else { return None };
            Some((alias, Unopened { opener, keep_successful, keep_failed }))
        };
        self.backends.into_iter().filter_map(unopened).collect()
    }

    /// Waits at the start for stores that cannot be reached yet, instead of failing: tries again and again, with
    /// growing pauses and a line in the log each time. For servers, which may come up before their database.
    #[must_use]
    pub const fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Starts the board with its threads and actors.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the configuration is wrong, a task lacks its data, or a store does not answer.
    pub async fn start(mut self) -> Result<Callboard, StartError> {
        if let Some((part, source)) = self.refused.take() {
            return Err(StartError::Part { part, source });
        }
        self.check()?;
        let registry = match self.tasks {
            Some(tasks) => Registry::of(tasks)?,
            None => Registry::linked()?,
        };
        let registry = Registry::of(registry.iter().chain(self.more_tasks))?;
        registry.check_required(&self.required)?;
        let own_handle = DataKey::of::<Callboard>();
        registry.check_data(|key| key == own_handle || self.data.contains(key))?;
        let registry = registry.with_own([crate::bulk::definition()])?;
        crate::panics::install_hook();
        let threads = Threads::start().map_err(StartError::Threads)?;
        info!(target: "callboard", tasks = registry.len(), "tasks registered");
        let hub = Hub::new(threads, self.clock, registry, self.data, self.budget, self.prepares, self.parts);
        let hub = Arc::new(hub);
        let (mut gates, mut dummies) = (Vec::<Arc<dyn Gate>>::new(), BTreeMap::new());
        let (mut queues, mut openers) = (Vec::new(), BTreeMap::new());
        for (alias, backend) in self.backends {
            let info =
                BackendInfo { supports: backend.supports(), queues: backend.queues.clone(), alias: alias.clone() };
            let gate: Arc<dyn Gate> = match backend.kind {
                Kind::Immediate => Arc::new(ImmediateGate::new(info, Arc::clone(&hub))),
                Kind::Dummy => {
                    let gate = DummyGate::new(info, hub.clock.clone(), Arc::clone(&hub));
                    dummies.insert(alias, gate.dummy.clone());
                    Arc::new(gate)
                }
                Kind::Custom(door) => Arc::new(CustomGate::new(info, door, backend.options.inbox, Arc::clone(&hub))),
                kind => {
                    if let Kind::Opened(opener) = &kind {
                        openers.insert(alias.clone(), Arc::clone(opener));
                    }
                    let keep = (backend.keep_successful, backend.keep_failed);
                    let (kind, store) = store_of(kind, keep, self.patient, &alias, &hub).await?;
                    let gate = Arc::new(QueueGate::new(info, kind, store, backend.options, Arc::clone(&hub)));
                    queues.push(Arc::clone(&gate));
                    gate
                }
            };
            gates.push(gate);
        }
        gates.sort_by_key(|gate| (gate.info().alias != "default", gate.info().alias.clone()));
        let receptions = Default::default();
        let (grace, shared) = (self.grace, Arc::clone(&hub));
        let board = Callboard(Arc::new_cyclic(|me| Inner {
            hub: shared,
            gates,
            dummies,
            openers,
            receptions,
            foreign: Default::default(),
            grace,
            me: me.clone(),
        }));
        board.warn_of_tasks_without_a_place();
        hub.introduce(&board);
        let mut declared = board.define_all(self.schedules).await.map_err(|refused| match refused {
            Ok(refused) => StartError::Schedules(refused),
            Err(Error::Store(failure)) => StartError::Store(failure),
            Err(error) => StartError::Store(StoreError::Unavailable(error.into())),
        })?;
        for queue in queues {
            let own = declared.extract_if(.., |(alias, _)| *alias == queue.info().alias);
            queue.declare(own.map(|(_, definition)| definition).collect());
            queue.start().await?;
        }
        board.0.look_at_published();
        Ok(board)
    }

    fn check(&self) -> Result<(), StartError> {
        let wrong = |alias: &str, problem: String| Err(StartError::Backend { alias: alias.into(), problem });
        if !self.backends.contains_key("default") {
            return wrong("default", "is missing; every board has a backend of this alias, so add `.memory()`".into());
        }
        for (alias, backend) in &self.backends {
            if let Err(problem) = check_name(alias) {
                return wrong(alias, format!("has an alias that {problem}"));
            }
            if let Err(problem) = backend.check() {
                return wrong(alias, problem);
            }
        }
        Ok(())
    }
}

/// The pauses between tries to open a store that cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// The store of a queue backend, with what kind it is.
async fn store_of(
    kind: Kind,
    (keep_successful, keep_failed): (Duration, Duration),
    patient: bool,
    alias: &str,
    hub: &Hub,
) -> Result<(&'static str, Arc<dyn Store>), StartError> {
    let unopened = match kind {
        Kind::Memory { keep_max } => {
            let options = MemoryOptions { keep_max, keep_successful, keep_failed };
            return Ok(("memory", Arc::new(MemoryStore::new(hub.clock.clone(), options))));
        }
        Kind::Store(store) => return Ok(("store", store)),
        Kind::Opened(opener) => Unopened { opener, keep_successful, keep_failed },
        Kind::Immediate | Kind::Dummy | Kind::Custom(_) => unreachable!("these have no store"),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match unopened.open(hub.clock.clone()).await {
            Ok(store) => {
                let kind = unopened.opener().kind();
                info!(target: "callboard", backend = alias, kind, "store opened");
                return Ok((kind, store));
            }
            Err(OpenFailure { problem, in_passing: true }) if patient => {
                let error = crate::queue::chain(problem.as_ref());
                warn!(target: "callboard", backend = alias, error, ?pause, "the store cannot be opened yet; trying again");
                hub.within(pause, std::future::pending::<()>()).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(OpenFailure { problem, .. }) => {
                return Err(StartError::Open { alias: alias.to_owned(), source: problem });
            }
        }
    }
}

/// Why a board did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The tasks are not in order.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A backend is configured wrongly.
    #[error("the backend {alias:?} {problem}")]
    Backend {
        /// Its alias.
        alias: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Schedules are not in order: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Schedules(Vec<InvalidSchedule>),
    /// A store could not be opened.
    #[error("the store of the backend {alias:?} cannot be opened")]
    Open {
        /// The alias of the backend.
        alias: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A part of the program, such as its mail, cannot be used.
    #[error("the {part} of the program cannot be used")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A store did not take the board.
    #[error("the store does not answer")]
    Store(#[from] StoreError),
    /// The system gave no threads.
    #[error("the board's threads did not start")]
    Threads(#[source] io::Error),
}
