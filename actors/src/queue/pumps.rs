//! The three streams between the desk and its store: calls in, outcomes out, claims. Each has one batch under way
//! at a time; whatever waits meanwhile goes into the next.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use callboard_tasks::{Ask, Claimed, Ending, Fate, Outcome, StoreError};
use futures::future::FutureExt;
use parking_lot::Mutex;
use tracing::{error, warn};

use super::desk::Desk;
use super::turn::{Letter, Reservation, Turn};
use crate::budget::Share;
use crate::panics::drop_contained;

/// The pauses between tries to reach a store that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps one stream from running twice, and from missing what comes while it runs.
#[derive(Debug, Default)]
pub(super) struct Pump(AtomicU8);

const STILL: u8 = 0;
const RUNNING: u8 = 1;
const AGAIN: u8 = 2;

impl Pump {
    /// Whether the caller shall run it; if it runs already, it will run once more.
    pub(super) fn start(&self) -> bool {
        self.0.swap(AGAIN, Ordering::AcqRel) == STILL
    }

    /// Makes it run once more, if it runs; else whoever has something for it must start it.
    pub(super) fn again(&self) -> bool {
        match self.0.compare_exchange(RUNNING, AGAIN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == AGAIN,
        }
    }

    /// Begins a round.
    pub(super) fn round(&self) {
        self.0.store(RUNNING, Ordering::Release);
    }

    /// Whether it may stop; if more has come since the round began, it may not.
    pub(super) fn stop(&self) -> bool {
        self.0.compare_exchange(RUNNING, STILL, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Stops a pump whose future ends by a panic, so that it can be started again.
pub(super) struct Stopper(pub(super) Arc<Pump>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.0.store(STILL, Ordering::Release);
    }
}

/// Enqueues what waits in the inbox. Whether there was anything.
pub(super) async fn take_in(desk: &Arc<Desk>) -> bool {
    let letters = std::mem::take(&mut *desk.inbox.lock());
    if letters.is_empty() {
        return false;
    }
    let (units, receipts): (Vec<_>, Vec<_>) = letters.into_iter().map(open).unzip();
    let jobs: Vec<_> = units.iter().map(|unit| unit.jobs.clone()).collect();
    desk.expect_enqueued(jobs.iter().flatten());
    let count = units.len();
    let answers = contained(async { Ok(desk.store.enqueue(units).await) }).await;
    let answers = answers.unwrap_or_else(|problem| {
        let again = problem.to_string();
        (0..count).map(|_| Err(StoreError::Unavailable(again.clone().into()))).collect()
    });
    for ((answer, receipt), jobs) in answers.into_iter().zip(receipts).zip(jobs) {
        let placed = desk.placed(answer, jobs.iter(), receipt.reservation);
        let _ = receipt.reply.send(placed);
    }
    desk.ended.notify_waiters();
    true
}

struct Receipt {
    reservation: Option<Reservation>,
    reply: tokio::sync::oneshot::Sender<Result<callboard_tasks::Placed, StoreError>>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

fn open(letter: Letter) -> (callboard_tasks::Unit, Receipt) {
    (letter.unit, Receipt { reservation: letter.reservation, reply: letter.reply, _permit: letter.permit })
}

impl Desk {
    /// Does what follows from the store's answer to a unit: announces its jobs and starts those handed off.
    pub(super) fn placed<'a>(
        self: &Arc<Self>,
        answer: Result<callboard_tasks::Placed, StoreError>,
        jobs: impl Iterator<Item = &'a Arc<callboard_tasks::JobSpec>> + Clone,
        reservation: Option<Reservation>,
    ) -> Result<callboard_tasks::Placed, StoreError> {
        let placed = match answer {
            Ok(placed) if placed.replayed.is_none() => placed,
            nothing_made => {
                self.forget_enqueued(jobs);
                return nothing_made;
            }
        };
        let was_made = |n: usize| placed.found.is_empty() || !placed.found.iter().any(|found| found.index == n);
        if !placed.found.is_empty() {
            let found = jobs.clone().enumerate().filter(|(n, _)| !was_made(*n));
            self.forget_enqueued(found.map(|(_, spec)| spec));
            self.follow_replaced(&placed.found);
        }
        let jobs = jobs.enumerate().filter(|(n, _)| was_made(*n)).map(|(_, spec)| spec);
        self.announce_enqueued(jobs.clone());
        match reservation {
            Some(reservation) if placed.claimed => {
                reservation.used();
                self.hand_out(jobs.map(|spec| Turn::handed_off(Arc::clone(spec))), true);
            }
            unused => {
                // First the room, then the wake-up of those who look for it.
                drop(unused);
                let mut waits = false;
                for spec in jobs {
                    match spec.run_after.filter(|at| *at > spec.enqueued_at) {
                        Some(at) => self.note_due(at),
                        // A claim would pass over it; the end of the pause brings one.
                        None => waits |= !self.is_paused(&spec.queue) && self.permits.is_worth_a_look(&spec.queue),
                    }
                }
                if waits {
                    self.backlog.store(true, Ordering::Release);
                    self.wake();
                }
            }
        }
        Ok(placed)
    }
}

/// Writes what waits in the outbox, and does not give up: an outcome that is lost is an attempt run twice.
pub(super) async fn write_out(desk: &Arc<Desk>) -> bool {
    let outcomes = {
        let mut outbox = desk.outbox.lock();
        desk.writing.store(outbox.len(), Ordering::Release);
        std::mem::take(&mut *outbox)
    };
    if outcomes.is_empty() {
        return false;
    }
    let count = outcomes.len();
    let runs: Vec<_> = outcomes.iter().map(|outcome| (outcome.id, outcome.run)).collect();
    // Only a store outside of the process can fail in passing, so only for one the batch is kept.
    let kept = if desk.store.waits() { outcomes.clone() } else { Vec::new() };
    let retries: Vec<_> = outcomes.iter().filter_map(due_again).collect();
    let fates = match contained(desk.store.finish(outcomes)).await {
        Ok(fates) => fates,
        Err(problem) => {
            if let Some(fates) = try_again(desk, &kept, problem).await {
                fates
            } else {
                desk.written(count);
                return true;
            }
        }
    };
    let (mut freed, mut ended, mut told) = (false, false, Vec::new());
    let suspect = *desk.suspect.lock();
    for ((id, run), fate) in runs.into_iter().zip(fates) {
        desk.forget_cancel(id, run);
        if suspect == Some(id) {
            // Another one may have waited for its end.
            *desk.suspect.lock() = None;
            freed = true;
        }
        if let Fate::Accepted { phase, .. } = fate {
            freed |= !phase.is_finished();
            ended |= phase.is_finished();
            if desk.must_tell(id, phase) {
                told.push(id);
            }
        }
    }
    // First what there is to claim, then the room for it: nobody finds the desk idle in between.
    if freed || desk.limited.take_room() {
        desk.expect_backlog();
    }
    desk.written(count);
    if ended {
        desk.news.ring();
    }
    desk.pace.lock().finished(count, Instant::now());
    desk.finished.fetch_add(count, Ordering::Relaxed);
    if let Some(at) = retries.into_iter().min() {
        desk.note_due(at);
    }
    desk.tell_ends(told).await;
    desk.ended.notify_waiters();
    true
}

fn due_again(outcome: &Outcome) -> Option<callboard_tasks::Timestamp> {
    match outcome.ending {
        Ending::Retry { at, .. } | Ending::Snoozed(at) => Some(at),
        _ => None,
    }
}

/// Gives the same outcomes again until the store takes them, or the board has no time left.
async fn try_again(desk: &Arc<Desk>, outcomes: &[Outcome], mut problem: StoreError) -> Option<Vec<Fate>> {
    let mut pause = FIRST_PAUSE;
    loop {
        warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), outcomes = outcomes.len(),
            "outcomes could not be written; trying again");
        if desk.hub.draining.load(Ordering::Acquire) && desk.suspended.load(Ordering::Acquire) {
            error!(target: "callboard", backend = %desk.alias, outcomes = outcomes.len(),
                "outcomes are lost; their jobs will run again");
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
        match contained(desk.store.finish(outcomes.to_vec())).await {
            Ok(fates) => return Some(fates),
            Err(again) => problem = again,
        }
    }
}

/// Claims what there is room for. Whether there may be more.
pub(super) async fn refill(desk: &Arc<Desk>, last_queue: &Mutex<Option<String>>) -> bool {
    let limit = desk.room();
    if limit == 0 || !desk.backlog.load(Ordering::Acquire) {
        return false;
    }
    desk.claiming.store(true, Ordering::Release);
    // The flag goes down before the look: what comes after the look puts it up again.
    desk.backlog.store(false, Ordering::Release);
    let [since, before] = &desk.afoot;
    before.store(since.swap(0, Ordering::AcqRel), Ordering::Release);
    let hints = desk.hints.load(Ordering::Acquire);
    let Some(share) = desk.hub.budget.up_to(limit) else { return false };
    let got = claim(desk, share, last_queue).await;
    // Whoever waits for this process to have nothing left looks again.
    desk.ended.notify_waiters();
    before.store(0, Ordering::Release);
    desk.claiming.store(false, Ordering::Release);
    let seen = if got == Got::All { hints } else { usize::MAX };
    desk.hints_seen.store(seen, Ordering::Release);
    got == Got::Full
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    /// As much as was asked for; there may be more.
    Full,
    /// All that was due.
    All,
    /// The store did not answer.
    Nothing,
}

/// Claims up to `limit` jobs and hands them out.
async fn claim(desk: &Arc<Desk>, share: Share, last_queue: &Mutex<Option<String>>) -> Got {
    let limit = share.jobs();
    // Without a permit of any queue there is nothing to ask for; when one comes back, somebody looks again.
    let Some((queues, permits)) = desk.permits.ask(limit) else { return Got::All };
    let ask = Ask { worker: desk.worker_id(), limit, queues, after_queue: last_queue.lock().clone() };
    let answer = contained(desk.store.claim(ask)).await;
    let got = answer.as_ref().map_or(&[][..], |claimed| &claimed.jobs);
    if desk.permits.claimed(permits, got.iter().map(|job| &*job.spec.queue)) {
        desk.expect_backlog();
    }
    match answer {
        Ok(Claimed { jobs, next_due, last_queue: served }) => {
            if served.is_some() {
                *last_queue.lock() = served;
            }
            if let Some(at) = next_due {
                desk.note_due(at);
            }
            let full = jobs.len() >= limit;
            if full {
                desk.backlog.store(true, Ordering::Release);
            }
            if let Some(suspect) = jobs.iter().find(|job| job.is_suspect()) {
                *desk.suspect.lock() = Some(suspect.id());
            }
            desk.announce_enqueued(jobs.iter().map(|job| &job.spec));
            let tell = desk.tells_starts();
            let claimed = jobs.len();
            desk.hand_out(jobs.into_iter().map(|job| Turn::claimed(job, tell)), false);
            share.spend(claimed);
            if full { Got::Full } else { Got::All }
        }
        Err(StoreError::Gone(_)) => {
            // The Heart learns the same at its next beat and registers anew.
            desk.backlog.store(true, Ordering::Release);
            Got::Nothing
        }
        Err(problem) => {
            warn!(target: "callboard", backend = %desk.alias, error = %chain(&problem), "jobs could not be claimed");
            desk.backlog.store(true, Ordering::Release);
            let desk = Arc::downgrade(desk);
            actix_rt::spawn(async move {
                tokio::time::sleep(FIRST_PAUSE * 5).await;
                if let Some(desk) = desk.upgrade() {
                    desk.wake();
                }
            });
            Got::Nothing
        }
    }
}

/// What a store answers; one that panics has failed, like one that says so.
pub(super) async fn contained<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|payload| {
        drop_contained(payload);
        Err(StoreError::Unavailable("the store panicked".into()))
    })
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
