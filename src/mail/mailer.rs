//! The handle of one mailer: what a program sends with, now or as a task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use callboard_tasks::{Call, Stop};
use serde::Serialize;

use super::actor::{Deliver, Pause, Resume, Shared};
use super::address::{Address, IntoAddresses};
use super::built::{Identity, Message, Source};
use super::delivery::Delivery;
use super::email::Email;
use super::error::{MailError, MailProblem};
use super::mailers::{MailerHealth, Mailers};
use super::options::MailerOptions;
use super::smtp::{FailureClass, SendError, Step};
use super::spool::{self, SpoolError, Spooled};
use super::tasks::{Recipients, Render, send_message, send_templated_email};
use super::template::{self, Rendered};

/// How long a mail that is sent now waits for its turn where the mailer has a rate.
const PATIENCE: Duration = Duration::from_secs(60);

/// How large a mail may be, as JSON, to be kept in its job, whose arguments have 256 KiB.
const IN_A_JOB: usize = 250 * 1024;

/// One mailer. A clone is cheap and is the same mailer.
///
/// To send *now* and wait for the server's answer is [`send`](Self::send). To send *later*, tried again and again and
/// not lost with the process, is to enqueue [`call`](Self::call):
///
/// ```
/// use std::time::Duration;
/// use callboard::Callboard;
/// use callboard::mail::{Email, Mailers, WithMail};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # futures::executor::block_on(async {
/// let mailers = Mailers::memory();
/// let board = Callboard::builder().memory().tasks([]).mail(mailers.clone()).start().await?;
///
/// let mail = Email::new("Welcome").to("ann@example.com").text("Good to have you.");
/// let job = board.enqueue(mailers.default()?.call(&mail)?).await?; // returns at once
/// let job = job.wait(Duration::from_secs(5)).await?;
/// assert_eq!(job.return_value()?.accepted, ["ann@example.com"]);
/// # board.shutdown().await;
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Mailer {
    mailers: Mailers,
    shared: Arc<Shared>,
}

impl Mailer {
    pub(super) fn new(mailers: Mailers, shared: Arc<Shared>) -> Self {
        Self { mailers, shared }
    }

    /// Its alias.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.shared.alias
    }

    /// How it is configured.
    #[must_use]
    pub fn options(&self) -> &MailerOptions {
        &self.shared.options
    }

    /// Builds a mail as this mailer would send it, with a Message-ID and a Date of its own.
    ///
    /// # Errors
    ///
    /// [`MailError::Invalid`] with everything that is wrong with it.
    pub fn build(&self, mail: &Email) -> Result<Message, MailError> {
        let identity = Identity::fresh(self.mailers.clock(), &self.domain(mail));
        self.build_as(mail, &identity)
    }

    /// The same, as the mail of this identity.
    pub(super) fn build_as(&self, mail: &Email, identity: &Identity) -> Result<Message, MailError> {
        match (&mail.from, &self.options().from) {
            (None, Some(from)) => Ok(Email { from: Some(from.clone()), ..mail.clone() }.build(identity)?),
            _ => Ok(mail.build(identity)?),
        }
    }

    /// The right side of the Message-ID of a mail.
    pub(super) fn domain(&self, mail: &Email) -> String {
        let from = mail.from.as_ref().or(self.options().from.as_ref());
        let of_from = from.map(Address::domain).filter(|domain| !domain.is_empty());
        self.options().domain.clone().or(of_from).unwrap_or_else(super::smtp::own_name)
    }

    /// Sends a mail now. `Ok` means that the server took it for at least one recipient; [`Delivery`] names those that
    /// it did not take it for.
    ///
    /// # Errors
    ///
    /// [`MailError::Invalid`] before anything is sent, [`MailError::Send`] if it was not sent, or nobody knows.
    pub async fn send(&self, mail: &Email) -> Result<Delivery, MailError> {
        Ok(self.deliver(Arc::new(self.build(mail)?), PATIENCE).await?)
    }

    /// Sends mails now, one after the other over the same connection; the outcomes stand in their order.
    pub async fn send_all<'m>(&self, mails: impl IntoIterator<Item = &'m Email>) -> Vec<Result<Delivery, MailError>> {
        let mut outcomes = Vec::new();
        for mail in mails {
            outcomes.push(self.send(mail).await);
        }
        outcomes
    }

    /// A call that sends the mail as a task. It is built here, so that what is wrong with it is found before it is
    /// queued, and every attempt sends the same bytes. What is too large for a job (250 KiB) is written into the
    /// [`spool`](MailerOptions::spool()) of the mailer, and this waits for the disk.
    ///
    /// # Errors
    ///
    /// [`MailError::Invalid`] with everything that is wrong with it, also that it is large and there is no spool;
    /// [`MailError::Spool`] if it cannot be spooled.
    pub fn call(&self, mail: &Email) -> Result<Call<send_message>, MailError> {
        self.call_built(self.build(mail)?)
    }

    /// The same for a mail that was built.
    pub(super) fn call_built(&self, mut message: Message) -> Result<Call<send_message>, MailError> {
        let alias = Some(self.alias().to_owned());
        if is_small(&message) {
            return Ok(send_message::with(message, alias, None));
        }
        let bytes = message.source.bytes().len();
        let wrong = |detail: String| MailProblem::new("attachments", detail);
        let Some(folder) = self.options().spool.as_ref().filter(|_| bytes <= spool::MOST) else {
            return Err(match &self.options().spool {
                Some(_) => wrong(format!(
                    "make a mail of {bytes} bytes; at most {} are sent, so send a link instead",
                    spool::MOST
                )),
                None => wrong(format!(
                    "make a mail of {bytes} bytes, too large for a job ({} KiB); name a folder for such mail in the \
                     settings of the mailer (spool), or send it at once by Mailer::send",
                    IN_A_JOB / 1024
                )),
            }
            .into());
        };
        let spooled = spool::put(folder, message.source.bytes())?;
        message.source = Source::new(Vec::new());
        Ok(send_message::with(message, alias, Some(spooled)))
    }

    /// A mail with the bytes that were spooled, if they were.
    pub(super) fn unspool(&self, message: Message, spooled: Option<&Spooled>) -> Result<Message, Stop> {
        let Some(spooled) = spooled else { return Ok(message) };
        let Some(folder) = &self.options().spool else {
            let missing = "the mail is in a spool, and this mailer has none; name the same folder in the settings of every \
                           process (spool)";
            return Err(Stop::from(MailError::from(MailProblem::new("spooled", missing))));
        };
        match spool::get(folder, spooled) {
            Ok(source) => Ok(Message { source: Source::new(source), ..message }),
            Err(error @ SpoolError::Changed(_)) => Err(Stop::abort(MailError::from(error))),
            Err(error) => Err(MailError::from(error).into()),
        }
    }

    /// A call that sends what a template makes, rendered now or by each attempt. The recipients are the only ones; mail
    /// with copies and files is made by [`templated`](Self::templated) and [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// [`MailError::Invalid`] if the context has no JSON. What else is wrong is found when it is enqueued.
    pub fn call_template(
        &self,
        template: impl Into<String>,
        to: impl IntoAddresses,
        context: impl Serialize,
        render: Render,
    ) -> Result<Call<send_templated_email>, MailError> {
        let context = serde_json::to_value(context)
            .map_err(|error| MailProblem::new("context", format!("has no JSON: {error}")))?;
        let alias = Some(self.alias().to_owned());
        let to = Recipients::from(to);
        Ok(send_templated_email::with(template, to, context, None, None, None, alias, None, None, Some(render)))
    }

    /// A mail from a template: its subject, text and HTML. Recipients and files are still to be added.
    ///
    /// # Errors
    ///
    /// [`MailError::Template`] if it is missing or broken, [`MailError::Invalid`] if what it makes is no mail.
    pub fn templated(&self, template: &str, context: impl Serialize) -> Result<Email, MailError> {
        Ok(self.render(template, context)?.into_email())
    }

    /// The names of the templates of mail: the files that end in `.email`.
    ///
    /// # Errors
    ///
    /// [`MailError::Template`] if their folder cannot be read.
    pub fn mail_templates(&self) -> Result<Vec<String>, MailError> {
        let names = self.mailers.templates().map_or_else(|| Ok(Vec::new()), |templates| templates.names())?;
        Ok(names.into_iter().filter(|name| name.ends_with(".email")).collect())
    }

    pub(super) fn render(&self, template: &str, context: impl Serialize) -> Result<Rendered, MailError> {
        let templates = self.mailers.templates().ok_or_else(|| {
            MailProblem::new(
                "template",
                "cannot be rendered: there are no templates; name their folder in [templates] dir",
            )
        })?;
        template::render(templates, template, context)
    }

    /// Sends a mail that was built, now.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn deliver(&self, message: Arc<Message>, patience: Duration) -> Result<Delivery, SendError> {
        let broken = || SendError::new(FailureClass::Unreachable, Step::Waiting, "the mailer does not answer");
        let actor = match self.mailers.actor(self.alias()) {
            Ok(actor) => actor,
            Err(MailError::Send(error)) => return Err(error),
            Err(_) => return Err(broken()),
        };
        actor.send(Deliver { message, patience }).await.unwrap_or_else(|_| Err(broken()))
    }

    /// The actor behind it, for actors that send mail themselves.
    ///
    /// # Errors
    ///
    /// [`MailError::Send`] if the system gives no thread for it.
    pub fn recipient(&self) -> Result<Recipient<Deliver>, MailError> {
        Ok(self.mailers.actor(self.alias())?.recipient())
    }

    /// Django's `send_mail`: one mail to all of these. How many mails were sent, 0 if there is nobody to send to.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_mail(
        &self,
        subject: &str,
        text: &str,
        from: Option<Address>,
        to: impl IntoAddresses,
        html: Option<&str>,
    ) -> Result<usize, MailError> {
        let mut mail = Email::new(subject).text(text).to(to);
        mail.from = from;
        mail.html = html.filter(|html| !html.is_empty()).map(str::to_owned);
        self.send_one(&mail).await
    }

    /// Django's `send_mass_mail`: each mail to its own recipients, over one connection. How many were sent; mails to
    /// nobody do not count.
    ///
    /// # Errors
    ///
    /// The first failure; the mails before it were sent. [`send_all`](Self::send_all) tells of each mail.
    pub async fn send_mass_mail<'m>(&self, mails: impl IntoIterator<Item = &'m Email>) -> Result<usize, MailError> {
        let mut sent = 0;
        for mail in mails {
            sent += self.send_one(mail).await?;
        }
        Ok(sent)
    }

    /// Django's `mail_admins`: tells the admins in the options; nobody if there are none.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn mail_admins(&self, subject: &str, text: &str, html: Option<&str>) -> Result<(), MailError> {
        self.tell(self.options().admins.clone(), subject, text, html).await
    }

    /// Django's `mail_managers`: tells the managers in the options; nobody if there are none.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn mail_managers(&self, subject: &str, text: &str, html: Option<&str>) -> Result<(), MailError> {
        self.tell(self.options().managers.clone(), subject, text, html).await
    }

    async fn tell(&self, to: Vec<Address>, subject: &str, text: &str, html: Option<&str>) -> Result<(), MailError> {
        let MailerOptions { server_from, from, subject_prefix, .. } = self.options();
        let from = server_from.clone().or_else(|| from.clone());
        self.send_mail(&format!("{subject_prefix}{subject}"), text, from, to, html).await.map(|_| ())
    }

    async fn send_one(&self, mail: &Email) -> Result<usize, MailError> {
        if mail.recipients().next().is_none() {
            return Ok(0);
        }
        self.send(mail).await.map(|_| 1)
    }

    /// Sends nothing more until [`resume`](Self::resume). Mail tasks wait, and are not failures.
    ///
    /// # Errors
    ///
    /// [`MailError::Send`] if the mailer does not answer.
    pub async fn pause(&self) -> Result<(), MailError> {
        self.mailers.actor(self.alias())?.send(Pause).await.map_err(|_| self.gone())
    }

    /// Sends again, also if it held mail back after failures.
    ///
    /// # Errors
    ///
    /// [`MailError::Send`] if the mailer does not answer.
    pub async fn resume(&self) -> Result<(), MailError> {
        self.mailers.actor(self.alias())?.send(Resume).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> MailError {
        let detail = format!("the mailer {:?} does not answer", self.alias());
        SendError::new(FailureClass::Unreachable, Step::Waiting, detail).into()
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> MailerHealth {
        MailerHealth::of(&self.shared)
    }

    /// The mails that a memory mailer was given, oldest first; the last 200.
    #[must_use]
    pub fn outbox(&self) -> Vec<Arc<Message>> {
        self.shared.outbox.mails()
    }

    /// Forgets them.
    pub fn clear_outbox(&self) {
        self.shared.outbox.clear();
    }
}

/// Whether a mail fits into the arguments of a job.
fn is_small(message: &Message) -> bool {
    // A character takes one byte at least as JSON, so that most large ones need not be written out.
    message.source.bytes().len() <= IN_A_JOB && serde_json::to_vec(message).is_ok_and(|json| json.len() <= IN_A_JOB)
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer({:?}, {})", self.alias(), self.options().transport.name())
    }
}
