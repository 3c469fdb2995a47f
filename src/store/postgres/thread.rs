//! The store's thread, and the doors through which it is handed what is to be done.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use callboard_tasks::{Ask, Beat, Claimed, Fate, Outcome, Placed, Pulse, StoreError, Unit};
use futures::future::{BoxFuture, FutureExt, LocalBoxFuture, Shared};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use super::claim::Asked;
use super::core::Core;
use super::enqueue::Enqueue;
use super::finish::Finish;
use super::home::Call;
use super::link::{Link, connect};
use super::options::PostgresOptions;
use super::upkeep::{look_for_heads, upkeep};
use super::{claim, enqueue, finish, home, keys, migrate as steps};

use callboard_actors::SchemaStep;

use crate::store::OpenError;
use crate::store::migrate::Migration;

/// How long a store takes its time to end what it was given.
const FAREWELL: Duration = Duration::from_secs(30);

type Work = Box<dyn FnOnce(Arc<Core>) -> LocalBoxFuture<'static, ()> + Send>;

/// The ways to the thread. When they are gone, it ends.
pub(super) struct Doors {
    enqueues: UnboundedSender<Enqueue>,
    keyed: UnboundedSender<Enqueue>,
    claims: UnboundedSender<Asked>,
    outcomes: UnboundedSender<Finish>,
    home: UnboundedSender<Call>,
    rest: UnboundedSender<Work>,
}

/// What is handed to a lane that has ended is dropped; its caller learns that from the reply.
impl Doors {
    pub(super) fn enqueue(&self, units: Vec<Unit>, reply: oneshot::Sender<Vec<Result<Placed, StoreError>>>) {
        let _ended = self.enqueues.send(Enqueue { units, reply });
    }

    pub(super) fn enqueue_keyed(&self, units: Vec<Unit>, reply: oneshot::Sender<Vec<Result<Placed, StoreError>>>) {
        let _ended = self.keyed.send(Enqueue { units, reply });
    }

    pub(super) fn claim(&self, ask: Ask, reply: oneshot::Sender<Result<Claimed, StoreError>>) {
        let _ended = self.claims.send(Asked { ask, reply });
    }

    pub(super) fn finish(&self, outcomes: Vec<Outcome>, reply: oneshot::Sender<Result<Vec<Fate>, StoreError>>) {
        let _ended = self.outcomes.send(Finish { outcomes, reply });
    }

    pub(super) fn beat(&self, beat: Beat, reply: oneshot::Sender<Result<Pulse, StoreError>>) {
        let _ended = self.home.send(Call::Beat(beat, reply));
    }

    pub(super) fn listen(&self) {
        let _ended = self.home.send(Call::Listen);
    }

    /// Anything that goes over the pool.
    pub(super) fn rest<T: Send + 'static>(
        &self,
        reply: oneshot::Sender<T>,
        work: impl AsyncFnOnce(Arc<Core>) -> T + Send + 'static,
    ) {
        let _ended = self.rest.send(Box::new(move |core| {
            async move {
                // Whoever does not wait for the answer does not want it.
                let _gone = reply.send(work(core).await);
            }
            .boxed_local()
        }));
    }
}

/// The other ends.
struct Lanes {
    enqueues: UnboundedReceiver<Enqueue>,
    keyed: UnboundedReceiver<Enqueue>,
    claims: UnboundedReceiver<Asked>,
    outcomes: UnboundedReceiver<Finish>,
    home: UnboundedReceiver<Call>,
    rest: UnboundedReceiver<Work>,
    back: UnboundedSender<Finish>,
}

fn channels() -> (Doors, Lanes) {
    let (enqueues, enqueue_lane) = unbounded_channel();
    let (keyed, keyed_lane) = unbounded_channel();
    let (claims, claim_lane) = unbounded_channel();
    let (outcomes, outcome_lane) = unbounded_channel();
    let (home, home_lane) = unbounded_channel();
    let (rest, rest_lane) = unbounded_channel();
    let lanes = Lanes {
        enqueues: enqueue_lane,
        keyed: keyed_lane,
        claims: claim_lane,
        outcomes: outcome_lane,
        home: home_lane,
        rest: rest_lane,
        back: outcomes.clone(),
    };
    (Doors { enqueues, keyed, claims, outcomes, home, rest }, lanes)
}

/// The running thread.
pub(super) struct Thread {
    core: Arc<Core>,
    doors: parking_lot::Mutex<Option<Doors>>,
    ended: Shared<BoxFuture<'static, ()>>,
}

impl Thread {
    pub(super) async fn start(options: PostgresOptions) -> Result<Self, OpenError> {
        let core = Arc::new(Core::new(&options)?);
        let (doors, lanes) = channels();
        let (opened, is_open) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel::<()>();
        let here = Arc::clone(&core);
        on_thread(&core, "callboard-postgres", async move || {
            let _told_when_dropped = ended;
            let link = open(&here).await;
            let goes_on = link.is_ok();
            // Whoever does not wait for the store does not want it.
            if opened.send(link).is_ok() && goes_on {
                serve(here, lanes).await;
            }
        })?;
        let unreachable = |_| unstarted(&core, "its thread has ended".into());
        is_open.await.map_err(unreachable)??;
        let ended = async move { drop(has_ended.await) }.boxed().shared();
        Ok(Self { core, doors: parking_lot::Mutex::new(Some(doors)), ended })
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    pub(super) fn doors(&self, give: impl FnOnce(&Doors)) {
        if let Some(doors) = &*self.doors.lock() {
            give(doors);
        }
    }

    pub(super) fn close(&self) -> BoxFuture<'_, ()> {
        drop(self.doors.lock().take());
        self.ended.clone().boxed()
    }
}

fn unstarted(core: &Core, source: callboard_tasks::BoxError) -> OpenError {
    OpenError::Unreachable { place: core.target.place.clone(), source }
}

/// Runs `work` on a thread of its own, with a runtime of its own.
fn on_thread(core: &Core, name: &str, work: impl AsyncFnOnce() + Send + 'static) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unstarted(core, error.into()))?;
    let run = move || {
        LocalSet::new().block_on(&runtime, work());
        runtime.shutdown_background();
    };
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| unstarted(core, error.into()))
}

async fn open(core: &Arc<Core>) -> Result<(), OpenError> {
    let client = first_connection(core).await?;
    steps::run(&client, &core.target, &core.schema).await.map(drop)
}

async fn first_connection(core: &Arc<Core>) -> Result<deadpool_postgres::ClientWrapper, OpenError> {
    let failed = |fault| match fault {
        super::fault::Fault::Lost(cause) | super::fault::Fault::Failed(cause) => unstarted(core, cause),
        other => unstarted(core, format!("{other:?}").into()),
    };
    let client = connect(core, &core.target, &Arc::default()).await.map_err(failed)?;
    let version = client.simple_query("SHOW server_version_num").await;
    let version =
        version.map_err(|error| unstarted(core, error.into()))?.into_iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse::<u32>().ok()),
            _ => None,
        });
    match version {
        Some(version) if version < 130_000 => Err(OpenError::Invalid {
            place: core.target.place.clone(),
            problem: format!("is PostgreSQL {}; use 13 or newer", version / 10_000),
        }),
        _ => Ok(client),
    }
}

async fn serve(core: Arc<Core>, lanes: Lanes) {
    let Lanes { enqueues, keyed, claims, outcomes, home, mut rest, back } = lanes;
    let shrinking = tokio::task::spawn_local(upkeep(Arc::clone(&core)));
    let looking = tokio::task::spawn_local(look_for_heads(Arc::clone(&core)));
    let mut tasks = JoinSet::new();
    let enqueues = enqueue::Calls::new(enqueues);
    let link = Link::new(&core);
    if !core.clock.is_manual() {
        tasks.spawn_local(enqueue::lane(link.share(), Rc::clone(&enqueues)));
    }
    tasks.spawn_local(enqueue::lane(link, enqueues));
    tasks.spawn_local(keys::lane(Link::new(&core), keyed));
    tasks.spawn_local(claim::lane(Link::new(&core), claims, back));
    tasks.spawn_local(finish::lane(Link::new(&core), outcomes));
    tasks.spawn_local(home::lane(Arc::clone(&core), home));
    loop {
        tokio::select! {
            work = rest.recv() => match work {
                Some(work) => drop(tasks.spawn_local(work(Arc::clone(&core)))),
                None => break,
            },
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("a part of the PostgreSQL store has panicked: {error}");
                }
            }
        }
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::warn!("the PostgreSQL store was closed while it was still asked for something");
    }
    shrinking.abort();
    looking.abort();
}

pub(super) async fn take_steps(options: PostgresOptions) -> Result<Vec<&'static Migration>, OpenError> {
    let core = Arc::new(Core::new(&options)?);
    let (reply, answer) = oneshot::channel();
    let here = Arc::clone(&core);
    on_thread(&core, "callboard-migrate", async move || {
        let steps = match first_connection(&here).await {
            Ok(client) => steps::run(&client, &here.target, &here.schema).await,
            Err(error) => Err(error),
        };
        let _gone = reply.send(steps);
    })?;
    answer.await.map_err(|_| unstarted(&core, "its thread has ended".into()))?
}

pub(super) async fn steps_taken(options: PostgresOptions) -> Result<Vec<SchemaStep>, OpenError> {
    let core = Arc::new(Core::new(&options)?);
    let (reply, answer) = oneshot::channel();
    let here = Arc::clone(&core);
    on_thread(&core, "callboard-migrate", async move || {
        let steps = match first_connection(&here).await {
            Ok(client) => steps::status(&client, &here.target, &here.schema).await,
            Err(error) => Err(error),
        };
        let _gone = reply.send(steps);
    })?;
    answer.await.map_err(|_| unstarted(&core, "its thread has ended".into()))?
}
