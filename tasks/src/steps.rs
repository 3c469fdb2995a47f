//! What each move does to a job: pure functions of the job, the step and the time, for every store to use.
//!
//! A store decides *which* job moves and keeps its own indexes; what changes in the job is decided here and,
//! as far as the phase is concerned, in [`Phase::after`]. A store that moves jobs in SQL writes the same there.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    Change, Ending, InvalidMove, Job, JobSpec, JobState, Move, Outcome, Phase, StoreError, TaskError, WorkerId,
};

/// Steps of the store itself.
impl Job {
    /// How many losses end a job as quarantined.
    pub const MAX_LOSSES: u32 = 3;

    /// What it is ordered by within queue and priority, the earlier first: the time that it waits or waited for,
    /// else the later of `run_after` and `enqueued_at`.
    #[must_use]
    pub fn effective_time(&self) -> Timestamp {
        self.state.next_run_at.unwrap_or_else(|| self.spec.effective_time())
    }

    /// When it expires: only as long as it waits for its first attempt.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let unstarted = self.state.phase.status() == crate::Status::Ready && self.state.attempts == 0;
        self.spec.expires_at.filter(|_| unstarted)
    }

    /// Whether it was lost before: a process runs at most one such job at a time.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.state.losses > 0
    }

    /// The worker process that has it now.
    #[must_use]
    pub fn holder(&self) -> Option<WorkerId> {
        let held = matches!(self.state.phase, Phase::Running | Phase::Cancelling);
        self.state.worker_ids().last().copied().filter(|_| held)
    }

    /// Whether it is running under that claim.
    #[must_use]
    pub const fn runs_as(&self, run: u64) -> bool {
        matches!(self.state.phase, Phase::Running | Phase::Cancelling) && self.state.run == run
    }

    /// A worker process takes it: its next run. The attempt counts, and has started now, until the outcome says
    /// otherwise.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`], as for all steps; nothing is changed then.
    pub fn claim(&mut self, worker: WorkerId, now: Timestamp) -> Result<(), InvalidMove> {
        let state = &mut self.state;
        state.step(Move::Claim)?;
        state.run += 1;
        state.attempts += 1;
        state.started_at.get_or_insert(now);
        state.last_attempted_at = Some(now);
        state.next_run_at = None;
        state.progress = None;
        state.history.add_worker(worker);
        Ok(())
    }

    /// Its time has come.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not wait for a time.
    pub fn promote(&mut self) -> Result<(), InvalidMove> {
        self.state.step(Move::Promote)
    }

    /// It waited for too long: ends it, with a record of class `Expired`.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not wait.
    pub fn expire(&mut self, now: Timestamp) -> Result<(), InvalidMove> {
        self.state.step(Move::Expire)?;
        self.state.end_outside("Expired", "had not started when its time was up", now);
        Ok(())
    }

    /// Takes it out of the claim because no live process has its task.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not wait.
    pub fn park(&mut self) -> Result<(), InvalidMove> {
        self.state.step(Move::Park)
    }

    /// Puts it back.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it is not parked.
    pub fn unpark(&mut self) -> Result<(), InvalidMove> {
        self.state.step(Move::Unpark)
    }

    /// Its run came to nothing in good order: the attempt is taken back. A job that was asked to stop ends.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not run.
    pub fn hand_back(&mut self, now: Timestamp) -> Result<(), InvalidMove> {
        self.state.end_overrun()?;
        self.state.step(Move::HandBack)?;
        self.state.take_back();
        if self.state.phase == Phase::Cancelled {
            self.state.end_outside("Cancelled", "cancelled before it started", now);
        } else {
            self.return_to_line(now);
        }
        Ok(())
    }

    /// Its worker process died: a loss. A loss is not an attempt, so that is taken back; a job that was asked to
    /// stop ends, and one that is lost for the third time is quarantined: both keep the attempt and say why.
    ///
    /// As a suspect runs alone among its like, every loss after the first is one that it had as the suspect.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not run.
    pub fn lose(&mut self, now: Timestamp) -> Result<(), InvalidMove> {
        self.state.end_overrun()?;
        let last_time = self.state.losses + 1 >= Self::MAX_LOSSES && self.state.phase == Phase::Running;
        self.state.step(if last_time { Move::Quarantine } else { Move::Lose })?;
        self.state.losses += 1;
        if self.state.phase.is_finished() {
            let message = format!("its worker process ended while it ran ({} in all)", self.state.losses);
            let error = TaskError::new("Lost", &message, "", self.state.attempts, now);
            self.state.record(error);
            self.state.finished_at = Some(now);
        } else {
            self.state.take_back();
            self.return_to_line(now);
        }
        Ok(())
    }

    /// Its run has ended. The caller has checked the fence with [`runs_as`](Self::runs_as).
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not run.
    pub fn finish(&mut self, mut outcome: Outcome, now: Timestamp) -> Result<(), InvalidMove> {
        let logs = std::mem::take(&mut outcome.logs);
        if outcome.ending == Ending::HandBack {
            self.hand_back(now)?;
            self.state.history.add_logs(logs);
            return Ok(());
        }
        let state = &mut self.state;
        state.end_overrun()?;
        state.step(outcome.ending.step())?;
        if let Some(at) = outcome.started_at {
            state.correct_start(at);
        }
        let runs_again = state.phase == Phase::RetryWait;
        if !runs_again {
            state.finished_at = Some(now);
        }
        match outcome.ending {
            Ending::Succeeded(value) => state.return_value = Some(value),
            Ending::Failed(error) | Ending::Cancelled(error) => state.record(error),
            Ending::Retry { at, error } => {
                state.next_run_at = runs_again.then_some(at);
                state.record(error);
            }
            Ending::Snoozed(at) => {
                state.take_back();
                state.next_run_at = runs_again.then_some(at);
                if !runs_again {
                    state.end_outside("Cancelled", "cancelled while it ran; it wanted to snooze", now);
                }
            }
            Ending::HandBack => unreachable!("returned above"),
        }
        state.history.add_logs(logs);
        Ok(())
    }

    /// Back to where it stood in the line; a job that had been called before its time stands there as of now.
    fn return_to_line(&mut self, now: Timestamp) {
        self.state.next_run_at = (self.spec.effective_time() > now).then_some(now);
    }
}

/// Steps that somebody asks for from outside.
impl Job {
    /// Does what a [`Change`] asks for; of a deletion it only says whether it is allowed.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidMove`] or [`StoreError::VersionMismatch`]; nothing is changed then.
    pub fn change(&mut self, change: Change, now: Timestamp) -> Result<(), StoreError> {
        match change {
            Change::Cancel => self.cancel(now)?,
            Change::Retry => self.run_again(now)?,
            Change::RunNow => {
                self.state.step(Move::RunNow)?;
                self.state.next_run_at = Some(now);
            }
            Change::Reschedule { if_version: Some(expected), .. } if expected != self.state.version => {
                let actual = self.state.version;
                return Err(StoreError::VersionMismatch { id: self.id(), expected, actual });
            }
            Change::Reschedule { run_after, priority, queue, max_attempts, if_version: _ } => {
                self.state.step(Move::Reschedule)?;
                let spec = Arc::make_mut(&mut self.spec);
                spec.priority = priority.unwrap_or(spec.priority);
                if let Some(queue) = queue {
                    spec.queue = queue.into();
                }
                self.state.max_attempts = max_attempts.unwrap_or(self.state.max_attempts);
                if let Some(at) = run_after {
                    self.wait_for(at, now)?;
                }
            }
            Change::Delete => {
                self.state.phase.after(Move::Delete)?;
            }
            Change::Overrun { run } => {
                if self.runs_as(run) && self.state.phase == Phase::Running {
                    self.state.step(Move::Overrun)?;
                    self.state.overrun = true;
                }
            }
            Change::Progress { run, progress } => {
                if self.runs_as(run) {
                    self.state.progress = Some(progress);
                    self.state.version += 1;
                }
            }
        }
        Ok(())
    }

    /// A call that is to stand in its place: it takes over that one's arguments, limit key and time, and stays what it
    /// is otherwise. Only a job that waits can.
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] if it does not wait; nothing is changed then.
    pub fn replace(&mut self, by: &JobSpec, now: Timestamp) -> Result<(), InvalidMove> {
        self.state.step(Move::Reschedule)?;
        let spec = Arc::make_mut(&mut self.spec);
        spec.args = by.args.clone();
        spec.limit_key.clone_from(&by.limit_key);
        self.wait_for(by.run_after, now)
    }

    fn cancel(&mut self, now: Timestamp) -> Result<(), InvalidMove> {
        if self.state.phase == Phase::Cancelling && !self.state.overrun {
            return Ok(());
        }
        self.state.step(Move::Cancel)?;
        self.state.overrun = false;
        if self.state.phase == Phase::Cancelled {
            self.state.end_outside("Cancelled", "cancelled while it waited", now);
        }
        Ok(())
    }

    /// A person takes the risk again: it gets its policy's number of attempts on top, forgets that it expired,
    /// and stays a suspect if it was one, but not one step from quarantine.
    fn run_again(&mut self, now: Timestamp) -> Result<(), InvalidMove> {
        self.state.step(Move::RunAgain)?;
        if self.spec.expires_at.is_some_and(|at| at <= now) {
            Arc::make_mut(&mut self.spec).expires_at = None;
        }
        let state = &mut self.state;
        state.max_attempts = state.max_attempts.saturating_add(self.spec.retry.max_attempts);
        state.losses = state.losses.min(1);
        state.finished_at = None;
        state.return_value = None;
        state.progress = None;
        state.next_run_at = Some(now);
        Ok(())
    }

    fn wait_for(&mut self, run_after: Option<Timestamp>, now: Timestamp) -> Result<(), InvalidMove> {
        Arc::make_mut(&mut self.spec).run_after = run_after;
        self.state.next_run_at = None;
        let step = match self.state.phase {
            _ if self.spec.effective_time() > now => Move::Postpone,
            Phase::Scheduled | Phase::RetryWait => Move::Promote,
            _ => return Ok(()),
        };
        self.state.phase = self.state.phase.after(step)?;
        Ok(())
    }
}

impl Ending {
    /// The move that it is.
    #[must_use]
    pub const fn step(&self) -> Move {
        match self {
            Self::Succeeded(_) => Move::Succeed,
            Self::Failed(_) => Move::Fail,
            Self::Retry { .. } | Self::Snoozed(_) => Move::Retry,
            Self::Cancelled(_) => Move::EndCancelled,
            Self::HandBack => Move::HandBack,
        }
    }
}

impl JobState {
    fn step(&mut self, step: Move) -> Result<(), InvalidMove> {
        self.phase = self.phase.after(step)?;
        self.version += 1;
        Ok(())
    }

    /// The attempt was only told by its own process, so what comes now counts as if it had not been. This alone
    /// is no change that a reader could see.
    fn end_overrun(&mut self) -> Result<(), InvalidMove> {
        if std::mem::take(&mut self.overrun) {
            self.phase = self.phase.after(Move::EndOverrun)?;
        }
        Ok(())
    }

    /// The present attempt does not count after all.
    fn take_back(&mut self) {
        self.attempts -= 1;
        if self.attempts == 0 {
            self.started_at = None;
            self.last_attempted_at = None;
        }
        self.history.worker_ids.pop();
    }

    /// The present attempt started then, not when it was claimed.
    fn correct_start(&mut self, at: Timestamp) {
        self.last_attempted_at = Some(at);
        if self.attempts == 1 {
            self.started_at = Some(at);
        }
    }

    fn record(&mut self, error: TaskError) {
        self.history.add_error(error);
    }

    /// Ends it with a record that belongs to no attempt, so that whoever finds it failed also finds why.
    fn end_outside(&mut self, class: &str, message: &str, now: Timestamp) {
        self.record(TaskError::new(class, message, "", 0, now));
        self.next_run_at = None;
        self.finished_at = Some(now);
    }
}
