//! The tasks that send mail, and what is checked before their calls are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Data, Json, Problem, Stop, TaskContext, TaskDefinition, task, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::address::Address;
use super::built::{Identity, Message};
use super::delivery::{Delivery, Refusal};
use super::email::Email;
use super::error::{InvalidMail, MailError};
use super::mailer::Mailer;
use super::mailers::Mailers;
use super::options::Ambiguous;
use super::smtp::SendError;
use super::smtp::verdict::{Next, next};
use super::template::Rendered;

/// How long an attempt waits for its turn where a mailer has a rate; then it goes back and another has its place.
const PATIENCE: Duration = Duration::from_secs(1);

/// When those are tried again whom the server wanted to be asked about later, while it took others.
const DEFERRED: Duration = Duration::from_secs(5 * 60);

/// The tasks that send mail.
pub(super) fn all() -> [&'static TaskDefinition; 3] {
    tasks![send_email, send_templated_email, send_message]
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
) -> Result<Delivery, Stop> {
    let list = |list: Option<Recipients>| list.unwrap_or_default().0;
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
        ..Email::default()
    };
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let message = message_of(&mailer, &mail, attempt)?;
    deliver(&mailer, message, attempt).await
}

/// Sends a mail that a template makes. It is rendered when it is enqueued; `rendered` is for that, and not for callers.
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
) -> Result<Delivery, Stop> {
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    let rendered = match rendered {
        Some(rendered) => rendered,
        // It was enqueued where there are no templates.
        None => match mailer.render(&template, &context) {
            Err(error @ MailError::Invalid(_)) => return Err(Stop::abort(error)),
            rendered => rendered?,
        },
    };
    let list = |list: Option<Recipients>| list.unwrap_or_default().0;
    let mail = Email { from, to: to.0, cc: list(cc), bcc: list(bcc), ..rendered.into_email() };
    let message = message_of(&mailer, &mail, attempt)?;
    deliver(&mailer, message, attempt).await
}

/// Sends a mail that was built before: every attempt sends these bytes.
#[task(name = "send_message", register = false, http = false, max_attempts = 18)]
pub async fn send_message(
    mailers: Data<Mailers>,
    attempt: &TaskContext,
    message: Message,
    mailer: Option<String>,
) -> Result<Delivery, Stop> {
    let mailer = mailer_of(&mailers, mailer.as_deref())?;
    deliver(&mailer, message, attempt).await
}

fn mailer_of(mailers: &Mailers, alias: Option<&str>) -> Result<Mailer, MailError> {
    mailers.get(alias.unwrap_or("default"))
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
        let call = send_message::with(rest, Some(mailer.alias().to_owned()))
            .queue(attempt.job().queue.clone())
            .run_after(DEFERRED);
        attempt.enqueue(call).await?;
    }
    Ok(delivery)
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

/// Checks the arguments of a call of `send_email` before it is kept, and fixes who writes.
pub(super) fn prepare_email(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    let Ok(mut args) = args.get::<EmailArgs>() else { return Ok(None) };
    let mailer = known_mailer(mailers, args.mailer.as_deref())?;
    let list = |list: &Option<Recipients>| list.clone().unwrap_or_default().0;
    let mail = Email {
        from: args.from.clone().or_else(|| mailer.options().from.clone()),
        to: args.to.0.clone(),
        cc: list(&args.cc),
        bcc: list(&args.bcc),
        reply_to: list(&args.reply_to),
        subject: args.subject.clone(),
        text: args.text.clone(),
        html: args.html.clone(),
        headers: args.headers.clone().unwrap_or_default().into_iter().collect(),
        ..Email::default()
    };
    checked(&mail)?;
    args.from = mail.from;
    changed(&args)
}

/// Checks the arguments of a call of `send_templated_email` before it is kept, renders it, and fixes who writes.
pub(super) fn prepare_templated(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    let Ok(mut args) = args.get::<TemplatedArgs>() else { return Ok(None) };
    let mailer = known_mailer(mailers, args.mailer.as_deref())?;
    let rendered = mailer.render(&args.template, &args.context).map_err(|error| match error {
        MailError::Invalid(invalid) => problems(invalid),
        MailError::Template(callboard_templates::Error::Context { reason, .. }) => {
            vec![Problem::new("#/args/context", format!("cannot be used: {reason}"))]
        }
        MailError::Template(error) => vec![Problem::new("#/args/template", format!("fails: {error}"))],
        other => vec![Problem::new("#/args", other.to_string())],
    })?;
    let list = |list: &Option<Recipients>| list.clone().unwrap_or_default().0;
    let mail = Email {
        from: args.from.clone().or_else(|| mailer.options().from.clone()),
        to: args.to.0.clone(),
        cc: list(&args.cc),
        bcc: list(&args.bcc),
        ..rendered.clone().into_email()
    };
    checked(&mail)?;
    args.from = mail.from;
    args.rendered = Some(rendered);
    changed(&args)
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

/// Refuses a call for a mailer that there is not.
pub(super) fn prepare_message(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    #[derive(Deserialize)]
    struct Args {
        mailer: Option<String>,
    }
    let Ok(Args { mailer }) = args.get::<Args>() else { return Ok(None) };
    known_mailer(mailers, mailer.as_deref()).map(|_| None)
}

/// The arguments of `send_email` as they are kept.
#[derive(Serialize, Deserialize)]
struct EmailArgs {
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
}

/// Those of `send_templated_email`.
#[derive(Serialize, Deserialize)]
struct TemplatedArgs {
    template: String,
    to: Recipients,
    context: Value,
    from: Option<Address>,
    cc: Option<Recipients>,
    bcc: Option<Recipients>,
    mailer: Option<String>,
    rendered: Option<Rendered>,
}

fn known_mailer(mailers: &Mailers, alias: Option<&str>) -> Result<Mailer, Vec<Problem>> {
    mailer_of(mailers, alias).map_err(|error| vec![Problem::new("#/args/mailer", format!("is unknown: {error}"))])
}

/// Builds the mail for nothing: what is wrong with it is found by that alone.
fn checked(mail: &Email) -> Result<(), Vec<Problem>> {
    let identity = Identity { message_id: "<check@localhost>".into(), date: jiff::Timestamp::UNIX_EPOCH };
    mail.build(&identity).map(|_| ()).map_err(problems)
}

fn problems(invalid: InvalidMail) -> Vec<Problem> {
    let problem = |problem: super::MailProblem| Problem::new(format!("#/args/{}", problem.field), problem.detail);
    invalid.0.into_iter().map(problem).collect()
}

fn changed(args: &impl Serialize) -> Result<Option<Json>, Vec<Problem>> {
    let wrong = |error: callboard_tasks::NotJson| vec![Problem::new(format!("#/args{}", error.pointer), error.problem)];
    Json::from_value(args).map(Some).map_err(wrong)
}
