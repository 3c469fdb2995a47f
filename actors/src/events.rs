//! Sends events to whoever subscribed. A receiver that is slow, full, dead or panics never harms a job.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix::{Message, Recipient};
use actix_rt::ArbiterHandle;
use callboard_tasks::{Event, EventKind, TaskResult};
use futures::future::{BoxFuture, FutureExt};
use parking_lot::RwLock;
use tokio::sync::mpsc;
use tracing::warn;

use crate::messages::{TaskEnqueued, TaskFinished, TaskStarted, TaskStuck};

/// How many events wait for a slow receiver before new ones are dropped (and counted, and logged).
const WAITING: usize = 10_000;

/// The messages that can be subscribed to.
pub trait EventMessage: Message<Result = ()> + Clone + Send + 'static + sealed::Sealed {
    /// The event that it tells of.
    const KIND: EventKind;

    #[doc(hidden)]
    fn of(result: TaskResult) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! event_message {
    ($($message:ident: $kind:ident),*) => {$(
        impl sealed::Sealed for $message {}

        impl EventMessage for $message {
            const KIND: EventKind = EventKind::$kind;

            fn of(result: TaskResult) -> Self {
                Self(result)
            }
        }
    )*};
}

event_message!(TaskEnqueued: Enqueued, TaskStarted: Started, TaskFinished: Finished, TaskStuck: Stuck);

/// All subscribers of a board.
#[derive(Debug, Default)]
pub(crate) struct Events {
    wanted: [AtomicBool; 4],
    subscribers: RwLock<Vec<Subscriber>>,
    dropped: Arc<AtomicU64>,
}

struct Subscriber {
    kind: EventKind,
    /// Which actor it is.
    receiver: u64,
    way: Arc<dyn Deliver>,
    /// Shared by all that one actor has subscribed to, so that it hears things in the order in which they happened.
    queue: mpsc::Sender<Parcel>,
}

/// An event on its way.
type Parcel = (Arc<dyn Deliver>, TaskResult);

/// The way to a receiver of one kind of events.
trait Deliver: Send + Sync {
    /// Delivers an event, and waits until it was heard. Whether the receiver is still there.
    fn deliver(&self, event: TaskResult) -> BoxFuture<'_, bool>;
}

impl<M: EventMessage> Deliver for Recipient<M> {
    fn deliver(&self, event: TaskResult) -> BoxFuture<'_, bool> {
        let heard = self.send(M::of(event));
        async move { heard.await.is_ok() || self.connected() }.boxed()
    }
}

/// The actor behind a recipient: its recipients for all messages hash alike.
fn receiver_of<M: EventMessage>(recipient: &Recipient<M>) -> u64 {
    let mut hasher = DefaultHasher::new();
    recipient.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscriber({:?})", self.kind)
    }
}

impl Events {
    /// Forwards events to `recipient` from now on, until it is gone. `home` is where the forwarding runs.
    pub(crate) fn subscribe<M: EventMessage>(&self, recipient: Recipient<M>, home: &ArbiterHandle) {
        let receiver = receiver_of(&recipient);
        let mut subscribers = self.subscribers.write();
        let known = subscribers.iter().find(|known| known.receiver == receiver && !known.queue.is_closed());
        let queue = known.map_or_else(|| forward(home), |known| known.queue.clone());
        subscribers.push(Subscriber { kind: M::KIND, receiver, way: Arc::new(recipient), queue });
        self.wanted[M::KIND as usize].store(true, Ordering::Release);
    }

    /// Whether anybody wants events of this kind: making one costs something.
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.wanted[kind as usize].load(Ordering::Acquire)
    }

    /// Sends an event to all who want it, without waiting for any of them.
    pub(crate) fn send(&self, event: &Event, result: &TaskResult) {
        let mut gone = false;
        for subscriber in self.subscribers.read().iter().filter(|s| s.kind == event.kind) {
            match subscriber.queue.try_send((Arc::clone(&subscriber.way), result.clone())) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => gone = true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                    // Once for each power of two: a flood of events must not become a flood of log lines.
                    if dropped.is_power_of_two() {
                        warn!(target: "callboard::events", dropped, kind = ?event.kind,
                            "a receiver of events is too slow; events were dropped");
                    }
                }
            }
        }
        if gone {
            self.forget_the_dead();
        }
    }

    fn forget_the_dead(&self) {
        let mut subscribers = self.subscribers.write();
        subscribers.retain(|subscriber| !subscriber.queue.is_closed());
        for kind in [EventKind::Enqueued, EventKind::Started, EventKind::Finished, EventKind::Stuck] {
            let wanted = subscribers.iter().any(|subscriber| subscriber.kind == kind);
            self.wanted[kind as usize].store(wanted, Ordering::Release);
        }
    }

    /// How many events were dropped because their receiver was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Starts to forward what is put into a queue, one after the other, until its receiver is gone.
fn forward(home: &ArbiterHandle) -> mpsc::Sender<Parcel> {
    let (queue, mut events) = mpsc::channel::<Parcel>(WAITING);
    home.spawn(async move {
        while let Some((way, event)) = events.recv().await {
            // Awaiting each one lets a small mailbox slow this queue down instead of losing events.
            if !way.deliver(event).await {
                break;
            }
        }
    });
    queue
}
