//! The tasks that send mail. What is checked before their calls are kept is in `prepare.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Callboard;
use callboard_tasks::{Data, Idempotency, JobId, Stop, TaskContext, TaskDefinition, task, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::address::Address;
use super::attachment::Attachment;
use super::bounce::{self, Action, Bounce};
use super::built::{Identity, Message};
use super::delivery::{Delivery, Refusal};
use super::email::Email;
use super::error::{MailError, MailProblem};
use super::files::{FileArg, FileError, attachments};
use super::mailer::Mailer;
use super::mailers::Mailers;
use super::options::Ambiguous;
use super::smtp::SendError;
use super::smtp::verdict::{Next, next};
use super::spool::{Spooled, sha256};
use super::template::Rendered;

/// How long an attempt waits for its turn where a mailer has a rate; then it goes back and another has its place.
const PATIENCE: Duration = Duration::from_secs(1);

/// When those are tried again whom the server wanted to be asked about later, while it took others.
const DEFERRED: Duration = Duration::from_secs(5 * 60);

/// The tasks that send mail.
pub(super) fn all() -> [&'static TaskDefinition; 4] {
    tasks![send_email, send_templated_email, send_message, take_bounce]
}

/// One address or a list of them, as an argument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients(pub Vec<Address>);

impl<A: super::address::IntoAddresses> From<A> for Recipients {
    fn from(addresses: A) -> Self {
        Self(addresses.into_addresses())
    }
}

impl Serialize for Recipients {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(to),
            several => several.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Recipients {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        let address = |value| serde_json::from_value(value).map_err(serde::de::Error::custom);
        list.into_iter().map(address).collect::<Result<_, _>>().map(Self)
    }
}

/// When a template is rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Render {
    /// When the mail is enqueued: what waits does not change, and every attempt sends the same bytes.
    #[default]
    Enqueue,
    /// Anew by each attempt, from the template as it is then, under the same Message-ID.
    Send,
}

/// Sends a mail. `to`, `cc`, `bcc` and `reply_to` are an address or a list of addresses.
#[task(name = "send_email", register = false, max_attempts = 18)]
#[allow(clippy::too_many_arguments, reason = "they are the arguments of the task")]
pub async fn send_email(
    mailers: Data<Mailers>,
    attempt: &TaskContext,
    to: Recipients,
    subject: String,
    text: String,
    html: Option<String>,
    from: Option<Address>,
    cc: Option<Recipients>,
    bcc: Option<Recipients>,
    reply_to: Option<Recipients>,
    headers: Option<BTreeMap<String, String>>,
    mailer: Option<String>,
    attachments: Option<Vec<FileArg>>,
) -> Result<Delivery, Stop> {
    let list = |list: Option<Recipients>| list.unwrap_or_default().0;
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let mail = Email {
        from,
        to: to.0,
        cc: list(cc),
        bcc: list(bcc),
        reply_to: list(reply_to),
        subject,
        text,
        html,
        headers: headers.unwrap_or_default().into_iter().collect(),
        attachments: files_of(&mailer, attachments.as_deref())?,
        ..Email::default()
    };
    let message = message_of(&mailer, &mail, attempt)?;
    deliver(&mailer, message, attempt).await
}

/// Sends a mail that a template makes. It is rendered when it is enqueued, unless `render` says `"send"`; `rendered` is
/// for that, and not for callers.
#[task(name = "send_templated_email", register = false, max_attempts = 18)]
#[allow(clippy::too_many_arguments, reason = "they are the arguments of the task")]
pub async fn send_templated_email(
    mailers: Data<Mailers>,
    attempt: &TaskContext,
    template: String,
    to: Recipients,
    context: Value,
    from: Option<Address>,
    cc: Option<Recipients>,
    bcc: Option<Recipients>,
    mailer: Option<String>,
    rendered: Option<Rendered>,
    attachments: Option<Vec<FileArg>>,
    render: Option<Render>,
) -> Result<Delivery, Stop> {
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let rendered = match rendered.filter(|_| render != Some(Render::Send)) {
        Some(rendered) => rendered,
        // So it was asked for, or it was enqueued where there are no templates.
        None => match mailer.render(&template, &context) {
            Err(error @ MailError::Invalid(_)) => return Err(Stop::abort(error)),
            rendered => rendered?,
        },
    };
    let list = |list: Option<Recipients>| list.unwrap_or_default().0;
    let attachments = files_of(&mailer, attachments.as_deref())?;
    let mail = Email { from, to: to.0, cc: list(cc), bcc: list(bcc), attachments, ..rendered.into_email() };
    let message = message_of(&mailer, &mail, attempt)?;
    deliver(&mailer, message, attempt).await
}

/// Sends a mail that was built before: every attempt sends these bytes. Those of a large one are in the spool of the
/// mailer, and not in `message`.
#[task(name = "send_message", register = false, http = false, max_attempts = 18)]
pub async fn send_message(
    mailers: Data<Mailers>,
    attempt: &TaskContext,
    message: Message,
    mailer: Option<String>,
    spooled: Option<Spooled>,
) -> Result<Delivery, Stop> {
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let message = mailer.unspool(message, spooled.as_ref())?;
    deliver(&mailer, message, attempt).await
}

/// Takes a report of a mail server about mail that it could not deliver: `source` is that mail, as it came. For each
/// recipient who did not get one, the task that the settings name as `on_bounce` is enqueued, once, with the argument
/// `bounce`.
#[task(name = "take_bounce", register = false)]
pub async fn take_bounce(
    mailers: Data<Mailers>,
    board: Data<Callboard>,
    attempt: &TaskContext,
    source: String,
    mailer: Option<String>,
) -> Result<Vec<Bounce>, Stop> {
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let bounces = bounce::parse(source.as_bytes()).map_err(|error| Stop::abort(MailProblem::of_bounce(&error)))?;
    let failed = bounces.iter().enumerate().filter(|(_, bounce)| bounce.action == Action::Failed);
    for (n, bounce) in failed {
        let Some(task) = &mailer.options().on_bounce else {
            tracing::warn!(target: "callboard::mail", recipient = bounce.address, status = %bounce.status,
                "a mail came back, and on_bounce names no task that is to know");
            continue;
        };
        let args = json!({ "bounce": bounce }).to_string();
        let mut call = board.call_named(task, &args).await?;
        // A job that runs again after a crash tells nobody twice.
        call.options_mut().idempotency =
            Some(Idempotency::new(format!("bounce {n} of {}", attempt.job_id()), args.as_bytes()));
        call.options_mut().traceparent.clone_from(&attempt.job().traceparent);
        board.enqueue_any(call).await?;
    }
    Ok(bounces)
}

pub(super) fn mailer_of(mailers: &Mailers, alias: Option<&str>) -> Result<Mailer, MailError> {
    mailers.get(alias.unwrap_or("default"))
}

/// The attachments of a job. What is wrong with them now will not be right at the next attempt, but a folder that is away
/// may be back.
fn files_of(mailer: &Mailer, args: Option<&[FileArg]>) -> Result<Vec<Attachment>, Stop> {
    match attachments(args.unwrap_or_default(), mailer.options().files.as_deref()) {
        Err(FileError::Wrong(problem)) => Err(Stop::abort(MailError::from(problem))),
        attachments => Ok(attachments?),
    }
}

/// The mail of a job: what makes it this one follows from the job, so that each attempt builds the same.
fn message_of(mailer: &Mailer, mail: &Email, attempt: &TaskContext) -> Result<Message, Stop> {
    let identity = Identity::of_job(attempt.job_id(), attempt.job().enqueued_at, &mailer.domain(mail));
    mailer.build_as(mail, &identity).map_err(Stop::abort)
}

async fn deliver(mailer: &Mailer, message: Message, attempt: &TaskContext) -> Result<Delivery, Stop> {
    let message = Arc::new(message);
    let delivery = match mailer.deliver(Arc::clone(&message), PATIENCE).await {
        Ok(delivery) => delivery,
        Err(error) => return Err(stop(error, attempt.attempt(), mailer.options().ambiguous)),
    };
    for Refusal { address, reply } in &delivery.refused {
        tracing::warn!(target: "callboard::mail", job = %attempt.job_id(), recipient = address, %reply,
            "a recipient was refused; the others have the mail");
    }
    if !delivery.deferred.is_empty() {
        // Those that have it must not get it again, so the others get a job of their own, with the same mail.
        let to = delivery.deferred.iter().map(|refusal| refusal.address.clone()).collect();
        let rest = Message { to, ..(*message).clone() };
        let key = key_of_rest(attempt.job_id(), &rest.to);
        let call = mailer.call_built(rest)?.queue(attempt.job().queue.clone()).idempotency(key).run_after(DEFERRED);
        attempt.enqueue(call).await?;
    }
    Ok(delivery)
}

/// The key of the job for recipients that were asked to wait. If this process dies before the end of its own job is
/// recorded, that job runs again and finds them here: the same recipients of the same job have one such job.
fn key_of_rest(job: JobId, to: &[String]) -> Idempotency {
    let mut to = to.to_vec();
    to.sort_unstable();
    let recipients = to.join("\n");
    Idempotency::new(format!("mail of {job} for {}", sha256(recipients.as_bytes())), recipients.as_bytes())
}

/// How an attempt ends that failed so.
fn stop(error: SendError, attempt: u32, ambiguous: Ambiguous) -> Stop {
    match next(&error, attempt, ambiguous == Ambiguous::Retry) {
        Next::Retry => error.into(),
        Next::RetryIn(pause) => Stop::retry_in(pause, error),
        Next::Abort => Stop::abort(error),
        Next::Snooze(pause) => Stop::snooze(pause),
    }
}

/// How many recipients the caller of a front end may name in an hour; see [`HttpConfig`](crate::http::HttpConfig).
#[cfg(feature = "http")]
#[must_use]
pub fn recipients_quota(per_hour: u32) -> crate::http::Quota {
    crate::http::Quota::new("recipients of mail", per_hour, recipients_of)
}

/// How many recipients a call names.
#[cfg(feature = "http")]
fn recipients_of(call: &callboard_tasks::AnyCall) -> u64 {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        to: Recipients,
        #[serde(default)]
        cc: Option<Recipients>,
        #[serde(default)]
        bcc: Option<Recipients>,
    }
    if ![send_email::NAME, send_templated_email::NAME].contains(&call.task()) {
        return 0;
    }
    let Ok(Ok(named)) = call.args().map(|args| args.get::<Named>()) else { return 0 };
    let count = |list: Option<Recipients>| list.map_or(0, |list| list.0.len());
    (named.to.0.len() + count(named.cc) + count(named.bcc)) as u64
}
