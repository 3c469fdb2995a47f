//! A backend of the user's own: one actor with one handler, or more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{MailboxError, Message, Recipient};
use callboard_tasks::{
    AnyCall, BackendInfo, Change, Control, Error, EventKind, Filter, Idempotency, JobId, Listing, Page, Snapshot,
    Stats as StoreStats, Supports, WaitError, WaitFor,
};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;

use crate::door::{Entry, Gate, ROOM_WAIT, Room, plain_health};
use crate::handle::ShutdownReport;
use crate::health::BackendHealth;
use crate::hub::Hub;
use crate::messages::{Cancel, Drain, Enqueue, EnqueueAll, GetResult, List, Pause, Resume, Retry, Stats, Wait};

/// What a custom backend answers: [`Enqueue`], and whatever else it is given a recipient for.
///
/// The board checks each call before it sends it, so the backend gets none that breaks a rule. Django's
/// `supports_get_result` follows from `get_result`; the other abilities are what
/// [`supports`](Self::supports) says: everything, unless it is called.
#[derive(Clone)]
pub struct Door {
    enqueue: Recipient<Enqueue>,
    enqueue_all: Option<Recipient<EnqueueAll>>,
    get_result: Option<Recipient<GetResult>>,
    wait: Option<Recipient<Wait>>,
    list: Option<Recipient<List>>,
    cancel: Option<Recipient<Cancel>>,
    retry: Option<Recipient<Retry>>,
    stats: Option<Recipient<Stats>>,
    pause: Option<Recipient<Pause>>,
    resume: Option<Recipient<Resume>>,
    drain: Option<Recipient<Drain>>,
    supports: Supports,
}

macro_rules! door_parts {
    ($($(#[$doc:meta])* $part:ident: $message:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $part(mut self, recipient: Recipient<$message>) -> Self {
            self.$part = Some(recipient);
            self
        }
    )*};
}

impl Door {
    /// A backend that takes calls.
    #[must_use]
    pub fn new(enqueue: Recipient<Enqueue>) -> Self {
        let supports = Supports { get_result: false, ..Supports::ALL };
        Self {
            enqueue,
            enqueue_all: None,
            get_result: None,
            wait: None,
            list: None,
            cancel: None,
            retry: None,
            stats: None,
            pause: None,
            resume: None,
            drain: None,
            supports,
        }
    }

    door_parts! {
        /// It enqueues several calls, all or none of them.
        enqueue_all: EnqueueAll,
        /// It waits for jobs.
        wait: Wait,
        /// It lists jobs.
        list: List,
        /// It cancels jobs.
        cancel: Cancel,
        /// It runs finished jobs again.
        retry: Retry,
        /// It counts.
        stats: Stats,
        /// It pauses queues.
        pause: Pause,
        /// It resumes queues.
        resume: Resume,
        /// It is told of a shutdown.
        drain: Drain,
    }

    /// It looks jobs up.
    #[must_use]
    pub fn get_result(mut self, recipient: Recipient<GetResult>) -> Self {
        self.get_result = Some(recipient);
        self.supports.get_result = true;
        self
    }

    /// What it cannot do (`run_after`, priorities, async functions) is refused before it is asked.
    #[must_use]
    pub const fn supports(mut self, supports: Supports) -> Self {
        self.supports = Supports { get_result: self.get_result.is_some(), ..supports };
        self
    }

    pub(crate) const fn abilities(&self) -> Supports {
        self.supports
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({:?})", self.supports)
    }
}

#[derive(Debug)]
pub(crate) struct CustomGate {
    info: BackendInfo,
    alias: Arc<str>,
    door: Door,
    hub: Arc<Hub>,
    /// Mailbox capacity bounds nothing in actix, so a permit stands in front.
    permits: Arc<Semaphore>,
}

impl CustomGate {
    pub(crate) fn new(info: BackendInfo, door: Door, inbox: usize, hub: Arc<Hub>) -> Self {
        let alias = info.alias.as_str().into();
        Self { info, alias, door, hub, permits: Arc::new(Semaphore::new(inbox)) }
    }

    /// What the actor answers, once this is awaited.
    fn question<M, T, E>(
        &self,
        recipient: Option<&Recipient<M>>,
        message: M,
        what: &'static str,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        M: Message<Result = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        Result<T, E>: Send,
    {
        let Some(recipient) = recipient.cloned() else {
            let error = self.lacks(what);
            return async move { Err(error.into()) }.boxed();
        };
        let alias = self.info.alias.clone();
        async move {
            match recipient.send(message).await {
                Ok(answer) => answer,
                Err(MailboxError::Closed | MailboxError::Timeout) => Err(Error::NoAnswer { alias }.into()),
            }
        }
        .boxed()
    }

    /// Asks the actor. The question goes on if the asker is dropped: actix would skip it without a word.
    fn ask<M, T, E>(
        &self,
        recipient: Option<&Recipient<M>>,
        message: M,
        what: &'static str,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        M: Message<Result = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        Result<T, E>: Send,
    {
        let question = self.question(recipient, message, what);
        let (timers, alias) = (self.hub.threads.timers.clone(), self.info.alias.clone());
        async move { timers.spawn(question).await.unwrap_or_else(|_| Err(Error::NoAnswer { alias }.into())) }.boxed()
    }
}

impl Gate for CustomGate {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn alias(&self) -> &Arc<str> {
        &self.alias
    }

    fn enqueue(&self, mut calls: Vec<AnyCall>, request: Option<Idempotency>, room: Room) -> Entry {
        if request.is_some() {
            // Its messages have no place for one, and nobody must believe that it is remembered.
            return Entry::Done(Err(self.lacks("idempotency keys of several calls")));
        }
        let question: BoxFuture<'static, Result<Vec<Snapshot>, Error>> = match calls.len() {
            1 => {
                let call = calls.pop().expect("there is one");
                let asked = self.question(Some(&self.door.enqueue), Enqueue(call), "enqueueing");
                async move { asked.await.map(|snapshot| vec![snapshot]) }.boxed()
            }
            _ => self.question(self.door.enqueue_all.as_ref(), EnqueueAll(calls), "enqueueing several calls at once"),
        };
        let (permits, hub) = (Arc::clone(&self.permits), Arc::clone(&self.hub));
        let (alias, name) = (self.info.alias.clone(), Arc::clone(&self.alias));
        Entry::Later(
            async move {
                let permit = room_for(&permits, 1, room, &hub, &alias).await?;
                let timers = hub.threads.timers.clone();
                // From here on the call is under way whatever becomes of its caller, and the permit goes with it.
                let placed = timers.spawn(async move {
                    let _permit = permit;
                    let mut snapshots = question.await?;
                    for snapshot in &mut snapshots {
                        // The backend may call itself what it likes; here it has the alias of the settings.
                        snapshot.backend = Arc::clone(&name);
                        hub.announce(EventKind::Enqueued, snapshot);
                    }
                    Ok(snapshots)
                });
                placed.await.unwrap_or(Err(Error::NoAnswer { alias }))
            }
            .boxed(),
        )
    }

    fn get(&self, id: JobId) -> BoxFuture<'_, Result<Snapshot, Error>> {
        self.ask(self.door.get_result.as_ref(), GetResult(id), "retrieving or refreshing results")
    }

    fn wait(&self, id: JobId, until: WaitFor, timeout: Duration) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        self.ask(self.door.wait.as_ref(), Wait { id, until, timeout }, "waiting for results")
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, Error>> {
        self.ask(self.door.list.as_ref(), List { filter, page }, "listing jobs")
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Snapshot, Error>> {
        match change {
            Change::Cancel => self.ask(self.door.cancel.as_ref(), Cancel(id), "cancelling jobs"),
            Change::Retry => self.ask(self.door.retry.as_ref(), Retry(id), "retrying jobs"),
            _ => {
                let error = self.lacks("changing jobs");
                async move { Err(error) }.boxed()
            }
        }
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), Error>> {
        match control {
            Control::Pause(queue) => self.ask(self.door.pause.as_ref(), Pause(queue), "pausing queues"),
            Control::Resume(queue) => self.ask(self.door.resume.as_ref(), Resume(queue), "pausing queues"),
            _ => {
                let error = self.lacks("this control");
                async move { Err(error) }.boxed()
            }
        }
    }

    fn stats(&self) -> BoxFuture<'_, Result<StoreStats, Error>> {
        self.ask(self.door.stats.as_ref(), Stats, "statistics")
    }

    fn drain(&self, grace: Duration) -> BoxFuture<'_, ShutdownReport> {
        let asked = self.ask(self.door.drain.as_ref(), Drain(grace), "draining");
        async move { asked.await.unwrap_or_default() }.boxed()
    }

    fn health(&self) -> BoxFuture<'_, BackendHealth> {
        let mut health = plain_health(&self.info, "custom");
        if !self.door.enqueue.connected() {
            health.degraded = Some("the backend's actor has ended".into());
        }
        async move { health }.boxed()
    }
}

/// Gets permits for `calls` calls, waiting for them if `room` says so.
pub(crate) async fn room_for(
    permits: &Arc<Semaphore>,
    calls: usize,
    room: Room,
    hub: &Hub,
    alias: &str,
) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
    let full = || Error::Full { alias: alias.into() };
    let calls = u32::try_from(calls).map_err(|_| full())?;
    if let Ok(permit) = Arc::clone(permits).try_acquire_many_owned(calls) {
        return Ok(permit);
    }
    if room == Room::Now {
        return Err(full());
    }
    let waiting = Arc::clone(permits).acquire_many_owned(calls);
    hub.within(ROOM_WAIT, waiting).await.and_then(Result::ok).ok_or_else(full)
}
