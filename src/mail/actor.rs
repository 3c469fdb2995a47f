//! The Mailer actor: one for each alias. It owns the connections with its server, and the mails that wait for one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message as ActorMessage, ResponseFuture};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::bounce::return_address;
use super::built::Message;
use super::delivery::{Delivery, Refusal};
use super::dkim::Signer;
use super::guard::admit;
use super::local::{Outbox, to_console, to_folder};
use super::options::{MailerOptions, Transport};
use super::rate::Pace;
use super::smtp::verdict::Breaker;
use super::smtp::{Connector, FailureClass, SendError, Session, SmtpOptions, Step};

/// How often idle connections are looked after.
const SWEEP: Duration = Duration::from_secs(5);

/// How many mails may wait; more than a board runs attempts.
const MOST_WAITING: usize = 10_000;

/// Send a mail, now: the answer means that the server took it, for the recipients that it names.
///
/// This is what everything that sends mail comes down to; other actors send it by
/// [`Mailer::recipient`](super::Mailer::recipient).
#[derive(Debug, Clone, ActorMessage)]
#[rtype(result = "Result<Delivery, SendError>")]
pub struct Deliver {
    /// The mail.
    pub message: Arc<Message>,
    /// How long it may wait for its turn if the rate of the mailer is used up; beyond that it is refused as
    /// [`FailureClass::Held`].
    pub patience: Duration,
}

/// Send nothing more until [`Resume`].
#[derive(Debug, Clone, ActorMessage)]
#[rtype(result = "()")]
pub(super) struct Pause;

/// Send again, whatever failed before.
#[derive(Debug, Clone, ActorMessage)]
#[rtype(result = "()")]
pub(super) struct Resume;

/// What the actor and the handles of its mailer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) alias: String,
    pub(super) options: MailerOptions,
    pub(super) signer: Option<Signer>,
    pub(super) outbox: Outbox,
    pub(super) state: Mutex<State>,
}

/// What can be told of a mailer at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) paused: bool,
    pub(super) held: Option<(Instant, String)>,
    pub(super) waiting: usize,
    pub(super) connections: usize,
    pub(super) sent: u64,
    pub(super) failed: u64,
}

/// The actor.
pub(super) struct MailerActor {
    shared: Arc<Shared>,
    connector: Option<Connector>,
    waiting: VecDeque<Letter>,
    idle: Vec<Session>,
    /// Mails that are being sent.
    active: usize,
    breaker: Breaker,
    pace: Option<Pace>,
    /// Whether a timer will look at what waits.
    timed: bool,
}

/// A mail that waits.
struct Letter {
    message: Arc<Message>,
    refused: Vec<Refusal>,
    until: Instant,
    reply: oneshot::Sender<Result<Delivery, SendError>>,
}

/// A mail was sent, or not.
#[derive(ActorMessage)]
#[rtype(result = "()")]
struct Done {
    session: Option<Session>,
    outcome: Result<(), SendError>,
}

impl MailerActor {
    pub(super) fn new(shared: Arc<Shared>, connector: Option<Connector>) -> Self {
        let pace = shared.options.rate.map(Pace::new);
        Self {
            shared,
            connector,
            waiting: VecDeque::new(),
            idle: Vec::new(),
            active: 0,
            breaker: Breaker::default(),
            pace,
            timed: false,
        }
    }

    /// The mail with the address that servers report to about it.
    fn returning(&self, message: Arc<Message>) -> Arc<Message> {
        let bounces = self.shared.options.bounces.as_ref().and_then(|bounces| bounces.wire().ok());
        match bounces.and_then(|bounces| return_address(&bounces, &message.message_id)) {
            Some(from) => Arc::new(Message { from, ..Message::clone(&message) }),
            None => message,
        }
    }

    /// Sends what can be sent now, and answers what cannot wait any longer.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        self.waiting.retain(|letter| !letter.reply.is_closed());
        while !self.waiting.is_empty() {
            let now = Instant::now();
            if let Some((pause, why)) = self.held(now) {
                for letter in self.waiting.drain(..) {
                    let _ = letter.reply.send(Err(SendError::held(pause, &why)));
                }
                break;
            }
            if self.active >= self.room() {
                break;
            }
            if let Some(wait) = self.pace.as_mut().and_then(|pace| pace.take(now).err()) {
                self.wait_for_turn(wait, now, ctx);
                break;
            }
            if let Some(letter) = self.waiting.pop_front() {
                self.send(letter, ctx);
            }
        }
        self.publish();
    }

    /// How long nothing is sent, and why.
    fn held(&self, now: Instant) -> Option<(Duration, String)> {
        if self.shared.state.lock().paused {
            return Some((Duration::from_secs(30), format!("the mailer {:?} is paused", self.shared.alias)));
        }
        let (pause, why) = self.breaker.held(now)?;
        Some((pause, format!("the mailer {:?} holds mail back for {pause:.0?}: {why}", self.shared.alias)))
    }

    /// How many mails may be under way.
    fn room(&self) -> usize {
        match &self.shared.options.transport {
            Transport::Smtp(smtp) if !self.breaker.is_probing() => smtp.connections,
            _ => 1,
        }
    }

    /// The rate is used up: looks again in time, and refuses those who would have to wait for too long.
    fn wait_for_turn(&mut self, wait: Duration, now: Instant, ctx: &mut Context<Self>) {
        let each = self.pace.as_ref().map_or(Duration::ZERO, Pace::each);
        let mut turn = wait;
        let mut patient = VecDeque::with_capacity(self.waiting.len());
        for letter in self.waiting.drain(..) {
            if now + turn > letter.until {
                let why = format!("the rate of the mailer {:?} is used up", self.shared.alias);
                let _ = letter.reply.send(Err(SendError::held(turn, why)));
            } else {
                patient.push_back(letter);
            }
            turn += each;
        }
        self.waiting = patient;
        if !self.waiting.is_empty() && !self.timed {
            self.timed = true;
            ctx.run_later(wait, |mailer, ctx| {
                mailer.timed = false;
                mailer.pump(ctx);
            });
        }
    }

    fn send(&mut self, letter: Letter, ctx: &Context<Self>) {
        match &self.shared.options.transport {
            Transport::Smtp(smtp) => {
                self.active += 1;
                let session = self.idle.pop();
                // A task of its own: if this actor fails, the mail under way goes on, and its sender hears of it.
                actix::spawn(send(letter, session, smtp.as_ref().clone(), self.connector.clone(), ctx.address()));
            }
            local => {
                let outcome = self.keep(local, &letter.message);
                self.note(outcome.as_ref().map(|_| ()));
                answer(letter, outcome);
            }
        }
    }

    /// Sends a mail without a server.
    fn keep(&self, transport: &Transport, message: &Arc<Message>) -> Result<Delivery, SendError> {
        let failed = |error: std::io::Error| {
            SendError::new(FailureClass::Unreachable, Step::Body, format!("the mail cannot be written ({error})"))
        };
        match transport {
            Transport::Console => to_console(message).map_err(failed)?,
            Transport::File(folder) => to_folder(folder, message).map_err(failed)?,
            Transport::Memory => self.shared.outbox.add(Arc::clone(message)),
            Transport::Dummy | Transport::Smtp(_) => {}
        }
        Ok(Delivery::whole(message))
    }

    fn note(&mut self, outcome: Result<(), &SendError>) {
        let was_held = self.breaker.is_probing();
        self.breaker.note(outcome, Instant::now());
        {
            let mut state = self.shared.state.lock();
            match outcome {
                Ok(()) => state.sent += 1,
                Err(_) => state.failed += 1,
            }
        }
        match (was_held, self.breaker.held(Instant::now())) {
            (_, Some((pause, why))) if outcome.is_err() => {
                warn!(target: "callboard::mail", mailer = self.shared.alias, ?pause, why, "mail is held back");
            }
            (true, None) if outcome.is_ok() => {
                info!(target: "callboard::mail", mailer = self.shared.alias, "mail goes out again");
            }
            _ => {}
        }
    }

    /// Closes connections that nobody has used for a while.
    fn sweep(&mut self) {
        let Transport::Smtp(smtp) = &self.shared.options.transport else { return };
        let (old, idle): (Vec<_>, Vec<_>) =
            self.idle.drain(..).partition(|session: &Session| session.idle_since.elapsed() >= smtp.idle);
        self.idle = idle;
        for session in old {
            actix::spawn(session.quit());
        }
        self.publish();
    }

    fn publish(&self) {
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        state.held = self.breaker.held(now).map(|(pause, why)| (now + pause, why.to_owned()));
        state.waiting = self.waiting.len();
        state.connections = self.idle.len() + self.active;
    }
}

/// Gives a mail to the server, over an open session or a new one.
async fn send(
    letter: Letter,
    session: Option<Session>,
    options: SmtpOptions,
    connector: Option<Connector>,
    mailer: Addr<MailerActor>,
) {
    let mut open = session;
    let mut outcome = match &mut open {
        Some(session) => session.deliver(&letter.message).await,
        None => Err(SendError::new(FailureClass::Unreachable, Step::Sender, "no session")),
    };
    // A connection that stood open may have been closed by the server since; that says nothing about the server.
    let is_stale = |error: &SendError| {
        error.step == Step::Sender
            && (error.class == FailureClass::Unreachable || error.reply.as_ref().is_some_and(|reply| reply.code == 421))
    };
    if outcome.as_ref().is_err_and(is_stale) {
        drop(open.take());
        outcome = match Session::open(&options, connector.as_ref()).await {
            Ok(mut session) => {
                let outcome = session.deliver(&letter.message).await;
                open = Some(session);
                outcome
            }
            Err(error) => Err(error),
        };
    }
    let summary = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
    let mut kept = open.filter(|session| session.mails < options.mails_per_connection);
    if let Err(error) = &summary {
        kept = kept.filter(|_| super::smtp::is_usable_after(error));
        if let Some(mut session) = kept.take()
            && session.reset().await
        {
            kept = Some(session);
        }
    }
    // First the connection, then the answer: whoever sends another mail upon it finds the connection free.
    mailer.do_send(Done { session: kept, outcome: summary });
    answer(letter, outcome);
}

fn answer(letter: Letter, outcome: Result<Delivery, SendError>) {
    let Letter { refused, reply, .. } = letter;
    let outcome = outcome.map(|mut delivery| {
        delivery.refused.extend(refused);
        delivery
    });
    // Who asked may have gone away; the mail is sent all the same.
    let _ = reply.send(outcome);
}

impl Actor for MailerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        if matches!(self.shared.options.transport, Transport::Smtp(_)) {
            ctx.run_interval(SWEEP, |mailer, _| mailer.sweep());
        }
    }
}

impl Handler<Deliver> for MailerActor {
    type Result = ResponseFuture<Result<Delivery, SendError>>;

    fn handle(&mut self, Deliver { message, patience }: Deliver, ctx: &mut Self::Context) -> Self::Result {
        let refuse = |error| -> Self::Result { Box::pin(std::future::ready(Err(error))) };
        let (message, refused) = match admit(&message, &self.shared.options) {
            Ok((changed, refused)) => (changed.map_or(message, Arc::new), refused),
            Err(error) => return refuse(error),
        };
        // Last of all, so that what is signed is what travels.
        let message =
            self.shared.signer.as_ref().map_or_else(|| Arc::clone(&message), |by| Arc::new(by.sign(&message)));
        let message = self.returning(message);
        if self.waiting.len() >= MOST_WAITING {
            let why = format!("{MOST_WAITING} mails wait for the mailer {:?} already", self.shared.alias);
            return refuse(SendError::held(Duration::from_secs(10), why));
        }
        let (reply, answer) = oneshot::channel();
        self.waiting.push_back(Letter { message, refused, until: Instant::now() + patience, reply });
        self.pump(ctx);
        Box::pin(async move {
            answer
                .await
                .unwrap_or_else(|_| Err(SendError::new(FailureClass::Ambiguous, Step::End, "the mailer broke down")))
        })
    }
}

impl Handler<Done> for MailerActor {
    type Result = ();

    fn handle(&mut self, Done { session, outcome }: Done, ctx: &mut Self::Context) {
        self.active = self.active.saturating_sub(1);
        self.note(outcome.as_ref().copied());
        if let Some(mut session) = session {
            session.idle_since = Instant::now();
            self.idle.push(session);
        }
        self.pump(ctx);
    }
}

impl Handler<Pause> for MailerActor {
    type Result = ();

    fn handle(&mut self, _: Pause, ctx: &mut Self::Context) {
        self.shared.state.lock().paused = true;
        self.pump(ctx);
    }
}

impl Handler<Resume> for MailerActor {
    type Result = ();

    fn handle(&mut self, _: Resume, ctx: &mut Self::Context) {
        self.shared.state.lock().paused = false;
        self.breaker.close();
        self.pump(ctx);
    }
}
