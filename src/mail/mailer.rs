//! The handle of one mailer: what a program sends with, now or as a task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use callboard_tasks::Call;
use serde::Serialize;

use super::actor::{Deliver, Pause, Resume, Shared};
use super::address::{Address, IntoAddresses};
use super::built::{Identity, Message};
use super::delivery::Delivery;
use super::email::Email;
use super::error::{MailError, MailProblem};
use super::mailers::{MailerHealth, Mailers};
use super::options::MailerOptions;
use super::smtp::{FailureClass, SendError, Step};
use super::tasks::send_message;
use super::template::{self, Rendered};

/// How long a mail that is sent now waits for its turn where the mailer has a rate.
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// queued, and every attempt sends the same bytes.
    ///
    /// # Errors
    ///
    /// [`MailError::Invalid`] with everything that is wrong with it.
    pub fn call(&self, mail: &Email) -> Result<Call<send_message>, MailError> {
        Ok(send_message::with(self.build(mail)?, Some(self.alias().to_owned())))
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

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer({:?}, {})", self.alias(), self.options().transport.name())
    }
}
