//! The connection that is open while nothing happens: the beat, the notices that go out and those that come in. Nothing
//! that takes long runs on it, so a beat never waits behind work.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Beat, JobId, Pulse, StoreError, WorkerId};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::core::{Core, IDLE, Params, Trial, micros};
use super::fault::Fault;
use super::heads::Columns;
use super::link::Link;
use super::row;
use super::{control, limits};
use crate::store::record::unsigned;

/// How long a beat is tried: the next one comes soon.
const PATIENCE: Duration = Duration::from_secs(2);
/// Notices go out no more often than this.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// So many ids fit into one notice.
const IDS: usize = 200;

/// What the home connection is asked for.
pub(super) enum Call {
    /// A beat, and where the answer goes.
    Beat(Beat, oneshot::Sender<Result<Pulse, StoreError>>),
    /// Notices of other processes are wanted from now on.
    Listen,
}

pub(super) async fn lane(core: Arc<Core>, mut calls: UnboundedReceiver<Call>) {
    let mut home = Link::new(&core);
    let mut notice_at: Option<Instant> = None;
    let mut last_notice = Instant::now() - DEBOUNCE;
    let mut backoff = Backoff::default();
    let mut wants_to_listen = false;
    loop {
        let listens_here = wants_to_listen && core.listen.is_none() && !core.pooler;
        let reconnect = listens_here && !(home.listens && home.is_open());
        let lost = Arc::clone(&home.lost);
        tokio::select! {
            biased;
            call = calls.recv() => match call {
                None => return,
                Some(Call::Beat(beat, reply)) => {
                    let answer = beat_once(&mut home, &beat).await;
                    // Whoever does not wait for the pulse does not want it.
                    let _gone = reply.send(answer.map_err(|fault| fault.into_error(Some(beat.worker))));
                }
                Some(Call::Listen) if !wants_to_listen => {
                    wants_to_listen = true;
                    if let Some(target) = core.listen.clone() {
                        tokio::task::spawn_local(listener(Link::to(&core, target)));
                    }
                }
                Some(Call::Listen) => {}
            },
            () = backoff.over(), if reconnect => match home.start_listening().await {
                Ok(()) => backoff = Backoff::default(),
                Err(fault) => {
                    tracing::debug!("{} cannot be listened to: {fault:?}", core.target.place);
                    home.close();
                    backoff.grow();
                }
            },
            () = core.notices.ring.notified() => {
                notice_at.get_or_insert((last_notice + DEBOUNCE).max(Instant::now()));
            }
            () = until(notice_at) => {
                (notice_at, last_notice) = (None, Instant::now());
                send(&mut home).await;
            }
            () = lost.notified(), if listens_here => {}
            () = sleep(IDLE), if home.is_open() && !listens_here => home.close(),
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Pauses that grow while a connection cannot be had.
#[derive(Default)]
struct Backoff {
    pause: Duration,
    until: Option<Instant>,
}

impl Backoff {
    fn grow(&mut self) {
        self.pause = (self.pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(5));
        self.until = Some(Instant::now() + self.pause);
    }

    async fn over(&self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
    }
}

/// Listens on a connection that does nothing else.
async fn listener(mut link: Link) {
    let mut backoff = Backoff::default();
    loop {
        backoff.over().await;
        match link.start_listening().await {
            Ok(()) => {
                backoff = Backoff::default();
                let lost = Arc::clone(&link.lost);
                while link.is_open() {
                    lost.notified().await;
                }
            }
            Err(fault) => {
                tracing::debug!("the database cannot be listened to: {fault:?}");
                link.close();
                backoff.grow();
            }
        }
    }
}

/// Sends what is to be told to other processes. What cannot be sent is lost: it is a hint.
async fn send(home: &mut Link) {
    let core = Arc::clone(&home.core);
    let (work, ended) = std::mem::take(&mut *core.notices.waiting.lock());
    let mut notices: Vec<String> = ended
        .chunks(IDS)
        .map(|ids| {
            let ids: Vec<String> = ids.iter().map(JobId::to_string).collect();
            format!("ended {} {}", core.token, ids.join(","))
        })
        .collect();
    // A notice names its ids last; of work there is nothing to name.
    if work {
        notices.push(format!("work {}", core.token));
    }
    for notice in notices {
        if let Err(fault) = home.call(&core.sql.notify, &[&notice]).await {
            tracing::debug!("other processes could not be told: {fault:?}");
        }
    }
}

async fn beat_once(home: &mut Link, beat: &Beat) -> Result<Pulse, Fault> {
    let core = Arc::clone(&home.core);
    let (worker, lease) = (beat.worker.as_uuid(), micros(beat.lease));
    let mut trial = Trial::new(PATIENCE);
    let rows = loop {
        let Columns { queues, ranks, ats, ids } = core.heads.columns();
        let parameters: Params<'_> = &[&worker, &lease, &control::PARKED, &queues, &ranks, &ats, &ids];
        match home.call(&core.sql.beat, parameters).await {
            Ok(rows) => break rows,
            Err(fault) => trial.next(fault).await?,
        }
    };
    let row = rows.first().ok_or_else(|| Fault::Failed("a beat was not answered".into()))?;
    let cancels: Option<Vec<Uuid>> = row.try_get(3)?;
    let runs: Option<Vec<i64>> = row.try_get(4)?;
    let peers: Option<Vec<Uuid>> = row.try_get(5)?;
    let ends: Option<Vec<callboard_tasks::Timestamp>> = row.try_get(6)?;
    let cancels = cancels.unwrap_or_default().into_iter().map(JobId::from_uuid);
    let peers = peers.unwrap_or_default().into_iter().map(WorkerId::from_uuid);
    let pulse = Pulse {
        now: row::at(row, 0)?.ok_or_else(|| Fault::Failed("the time is null".into()))?,
        due: row.try_get(2)?,
        cancels: cancels.zip(runs.unwrap_or_default().into_iter().map(unsigned)).collect(),
        peers: peers.zip(ends.unwrap_or_default()).collect(),
        next_due: [row::at(row, 7)?, row::at(row, 9)?].into_iter().flatten().min(),
        paused: row.try_get(8)?,
        limits: limits::read(row.try_get(10)?, row.try_get(11)?)?,
        schedules: unsigned(row.try_get(12)?),
    };
    core.saw_limits(&pulse.limits);
    core.saw_others(!pulse.peers.is_empty());
    let freed: i64 = row.try_get(1)?;
    if freed > 0 {
        control::unparked(&core);
    }
    if freed >= i64::from(control::PARKED) {
        // The rest of them goes on a connection where no beat waits behind it.
        tokio::task::spawn_local(async move {
            if let Err(error) = control::unpark(&core).await {
                tracing::debug!("parked jobs could not be put back: {error}");
            }
        });
    }
    Ok(pulse)
}
