//! The lane of claims, one after the other.

use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Ask, Claimed, Ending, Job, Outcome, StoreError, WorkerId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::core::{IDLE, Params, Trial};
use super::fault::Fault;
use super::finish::Finish;
use super::heads::{Columns, WORTH_A_LOOK};
use super::link::Link;
use super::row;

/// How long a claim is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// A claim, and where the answer goes.
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Result<Claimed, StoreError>>,
}

pub(super) async fn lane(mut link: Link, mut asks: UnboundedReceiver<Asked>, back: UnboundedSender<Finish>) {
    let mut batch = 0_i64;
    loop {
        let Ok(asked) = timeout(IDLE, asks.recv()).await else {
            link.close();
            continue;
        };
        let Some(Asked { ask, reply }) = asked else { return };
        batch += 1;
        let worker = ask.worker;
        let claimed = claim(&mut link, ask, batch).await.map_err(|fault| fault.into_error(Some(worker)));
        if let Err(Ok(claimed)) = reply.send(claimed)
            && !claimed.jobs.is_empty()
        {
            // Nobody waits for them: they go back.
            let outcomes = claimed.jobs.iter().map(|job| Outcome {
                id: job.id(),
                run: job.state.run,
                started_at: None,
                ending: Ending::HandBack,
                logs: Vec::new(),
            });
            let (reply, _unheard) = oneshot::channel();
            let _closed = back.send(Finish { outcomes: outcomes.collect(), reply });
        }
    }
}

async fn claim(link: &mut Link, ask: Ask, batch: i64) -> Result<Claimed, Fault> {
    let core = Arc::clone(&link.core);
    let worker = ask.worker.as_uuid();
    if core.worker.lock().replace(worker).is_some_and(|before| before != worker) {
        core.heads.forget();
    }
    let limit = i32::try_from(ask.limit).unwrap_or(i32::MAX);
    let (queues, most): (Option<Vec<&str>>, Option<Vec<i32>>) = match &ask.queues {
        None => (None, None),
        Some(queues) => (
            Some(queues.keys().map(String::as_str).collect()),
            Some(queues.values().map(|most| i32::try_from(*most).unwrap_or(i32::MAX)).collect()),
        ),
    };
    let mut trial = Trial::new(PATIENCE);
    loop {
        // A claim whose answer was lost may have taken jobs: then they are the answer.
        if trial.unsure {
            match link.call(&core.sql.reclaim, &[&worker, &batch]).await.and_then(|rows| jobs(&rows, ask.worker)) {
                Ok(jobs) if jobs.is_empty() => {}
                Ok(jobs) => {
                    let last_queue = jobs.last().map(|job| job.spec.queue.to_string()).or(ask.after_queue);
                    return Ok(Claimed { jobs, next_due: None, last_queue });
                }
                Err(fault) => {
                    trial.next(fault).await?;
                    continue;
                }
            }
        }
        let heads = core.heads.lend();
        let Columns { queues: lines, ranks, ats, ids } = &heads.columns;
        let asked: Params<'_> = &[&worker, &limit, &queues, &most, &ask.after_queue, &batch, lines, ranks, ats, ids];
        match link.call(&core.sql.claim, asked).await {
            Ok(rows) => {
                let last = rows.last().ok_or_else(|| Fault::Failed("a claim was not answered".into()))?;
                let claimed = Claimed {
                    jobs: jobs(&rows, ask.worker)?,
                    next_due: row::at(last, 14)?,
                    last_queue: last.try_get(15)?,
                };
                core.tell_of_ends(last.try_get(16)?);
                heads.back(last, 18)?;
                if last.try_get::<_, Option<i64>>(17)?.is_some_and(|steps| steps > WORTH_A_LOOK) {
                    core.stumbled.notify_one();
                }
                core.moved(claimed.jobs.len());
                return Ok(claimed);
            }
            Err(fault) => trial.next(fault).await?,
        }
    }
}

/// The jobs of a claim, best first; its last row tells the time.
fn jobs(rows: &[Row], worker: WorkerId) -> Result<Vec<Job>, Fault> {
    let Some((last, rows)) = rows.split_last() else { return Ok(Vec::new()) };
    let Some(moment) = row::at(last, 13)? else { return Ok(Vec::new()) };
    let mut jobs = Vec::with_capacity(rows.len());
    for row in rows {
        match row::claimed(row, worker, moment) {
            Ok((job, at)) => jobs.push(((-i16::from(job.spec.priority), at, job.id()), job)),
            Err(fault) => tracing::error!("job {:?} cannot run: {fault:?}", row::id(row, 0)),
        }
    }
    jobs.sort_unstable_by_key(|(place, _)| *place);
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}
