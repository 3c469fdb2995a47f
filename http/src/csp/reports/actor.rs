//! The actor to whom violations come, and who passes them on.

use std::fmt;
use std::time::{Duration, Instant};

use actix::dev::SendError;
use actix::{Actor, AsyncContext as _, Context, Handler, Message, MessageResult, Recipient, SpawnHandle};
use tracing::warn;

use super::desk::{Desk, ReportSummary};
use super::violation::CspViolation;

/// How many bodies of reports wait before new ones are dropped.
const MAILBOX: usize = 256;
/// How often the log hears of violations at most.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Receives violations, counts what repeats, keeps the latest 500, writes them to the log (a line a second at most),
/// and passes them on to whoever subscribed: the first of its kind at once, and what repeated within a minute as one
/// more message with its count.
///
/// ```
/// use actix::{Actor as _, Context, Handler};
/// use actix_web::App;
/// use callboard_http::csp::{Collector, CspReports, CspViolation, SubscribeViolations};
///
/// struct Alarm;
///
/// impl actix::Actor for Alarm {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<CspViolation> for Alarm {
///     type Result = ();
///
///     fn handle(&mut self, violation: CspViolation, _: &mut Context<Self>) {
///         eprintln!("{} × {} on {}", violation.count, violation.directive, violation.page);
///     }
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let reports = CspReports::new().start();
/// reports.send(SubscribeViolations(Alarm.start().recipient())).await?;
/// let collector = Collector::new(&reports);
/// let app = App::new().service(collector.resource("/csp/reports"));
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct CspReports {
    desk: Desk,
    subscribers: Vec<Recipient<CspViolation>>,
    timer: Option<SpawnHandle>,
    logged: Option<Instant>,
    unlogged: u64,
}

impl CspReports {
    /// An actor that has heard of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn pass_on(&mut self, violation: &CspViolation, now: Instant) {
        self.log(violation, now);
        let counts = &mut self.desk.counts;
        self.subscribers.retain(|subscriber| match subscriber.try_send(violation.clone()) {
            Ok(()) => true,
            Err(SendError::Full(_)) => {
                counts.undelivered += 1;
                true
            }
            Err(SendError::Closed(_)) => false,
        });
    }

    fn log(&mut self, violation: &CspViolation, now: Instant) {
        if self.logged.is_some_and(|logged| now.saturating_duration_since(logged) < LOG_PAUSE) {
            self.unlogged += 1;
            return;
        }
        self.logged = Some(now);
        let CspViolation { disposition, directive, blocked, page, sample, count, browser, policy, .. } = violation;
        let unlogged = std::mem::take(&mut self.unlogged);
        warn!(
            %disposition, ?directive, blocked = ?blocked.to_string(), ?page, ?sample, count, browser, policy, unlogged,
            "a content security policy was violated"
        );
    }

    fn set_timer(&mut self, ctx: &mut Context<Self>) {
        if self.timer.is_some() {
            return;
        }
        let Some(end) = self.desk.next_end() else { return };
        let pause = end.saturating_duration_since(Instant::now());
        self.timer = Some(ctx.run_later(pause, |actor, ctx| {
            actor.timer = None;
            let now = Instant::now();
            for violation in actor.desk.expire(now) {
                actor.pass_on(&violation, now);
            }
            actor.set_timer(ctx);
        }));
    }
}

impl fmt::Debug for CspReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CspReports").field("counts", &self.desk.counts).finish_non_exhaustive()
    }
}

impl Actor for CspReports {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

/// Violations that came with one request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Message)]
#[rtype(result = "()")]
pub struct ReceiveViolations {
    /// The violations.
    pub violations: Vec<CspViolation>,
    /// How many reports there were beside them that are the doing of extensions and scanners.
    pub noise: u64,
    /// How many reports of other kinds there were.
    pub others: u64,
}

impl Handler<ReceiveViolations> for CspReports {
    type Result = ();

    fn handle(&mut self, message: ReceiveViolations, ctx: &mut Self::Context) {
        let now = Instant::now();
        self.desk.counts.noise += message.noise;
        self.desk.counts.others += message.others;
        // What has ended must not be repeated.
        for violation in self.desk.expire(now) {
            self.pass_on(&violation, now);
        }
        for violation in message.violations {
            if let Some(violation) = self.desk.receive(violation, now) {
                self.pass_on(&violation, now);
            }
        }
        self.set_timer(ctx);
    }
}

/// Asks to be told of violations from now on. A recipient without room loses those that come then; nobody waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SubscribeViolations(pub Recipient<CspViolation>);

impl Handler<SubscribeViolations> for CspReports {
    type Result = ();

    fn handle(&mut self, SubscribeViolations(recipient): SubscribeViolations, _: &mut Self::Context) {
        self.subscribers.push(recipient);
    }
}

/// Asks what is known of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "ReportSummary")]
pub struct GetReports;

impl Handler<GetReports> for CspReports {
    type Result = MessageResult<GetReports>;

    fn handle(&mut self, _: GetReports, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.desk.summary())
    }
}
