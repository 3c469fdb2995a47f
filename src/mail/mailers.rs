//! The mailers of a program, by alias.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor as _, Addr};
use callboard_tasks::Clock;
use callboard_templates::Templates;
use parking_lot::Mutex;

use super::actor::{MailerActor, Shared, State};
use super::dkim::Dkim;
use super::error::{InvalidMailer, MailError};
use super::home::Home;
use super::local::{Outbox, check_folder};
use super::mailer::Mailer;
use super::options::{MailerOptions, Transport};
use super::smtp::{Connector, Tls, connector};

/// The mailers of a program, by alias, with the templates of its mail. A clone is cheap and is the same set.
///
/// ```
/// use callboard::mail::{Email, MailerOptions, Mailers, Transport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # futures::executor::block_on(async {
/// let mailers = Mailers::builder()
///     .mailer("default", MailerOptions::new(Transport::Memory).from("shop@example.com"))
///     .build()?;
///
/// let mail = Email::new("Welcome").to("ann@example.com").text("Good to have you.");
/// let delivery = mailers.default()?.send(&mail).await?;
/// assert_eq!(delivery.accepted, ["ann@example.com"]);
/// assert_eq!(mailers.default()?.outbox().len(), 1);
/// # Ok(())
/// # })
/// # }
/// ```
///
/// Given to a board by [`WithMail::mail`](super::WithMail::mail), they also send from tasks.
#[derive(Clone)]
pub struct Mailers(Arc<Inner>);

struct Inner {
    mailers: BTreeMap<String, Entry>,
    templates: Option<Templates>,
    clock: Clock,
    home: Mutex<Option<Home>>,
}

struct Entry {
    shared: Arc<Shared>,
    connector: Option<Connector>,
    actor: Mutex<Option<Addr<MailerActor>>>,
}

impl Mailers {
    /// Starts without a mailer.
    pub fn builder() -> MailersBuilder {
        MailersBuilder { mailers: Vec::new(), templates: None, clock: Clock::system() }
    }

    /// The mailer `default` writes to stdout, from `webmaster@localhost`: what a server without settings has.
    #[must_use]
    pub fn console() -> Self {
        Self::standard(Transport::Console)
    }

    /// The mailer `default` keeps mail in its outbox, from `webmaster@localhost`: for tests.
    #[must_use]
    pub fn memory() -> Self {
        Self::standard(Transport::Memory)
    }

    fn standard(transport: Transport) -> Self {
        let options = MailerOptions::new(transport).from("webmaster@localhost");
        Self::builder().mailer("default", options).build().expect("the standard mailer is in order")
    }

    /// The mailer of that alias.
    ///
    /// # Errors
    ///
    /// [`MailError::UnknownMailer`] with those that there are.
    pub fn get(&self, alias: &str) -> Result<Mailer, MailError> {
        let entry = self.0.mailers.get(alias).ok_or_else(|| self.unknown(alias))?;
        Ok(Mailer::new(self.clone(), Arc::clone(&entry.shared)))
    }

    /// The mailer `default`.
    ///
    /// # Errors
    ///
    /// [`MailError::UnknownMailer`] if there is none.
    #[allow(clippy::should_implement_trait, reason = "it is the name of the mailer, as in Django")]
    pub fn default(&self) -> Result<Mailer, MailError> {
        self.get("default")
    }

    /// Whether there is a mailer of that alias.
    #[must_use]
    pub fn contains(&self, alias: &str) -> bool {
        self.0.mailers.contains_key(alias)
    }

    /// The aliases, in order.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.0.mailers.keys().map(String::as_str)
    }

    /// The aliases with the options of their mailers.
    pub(crate) fn options(&self) -> impl Iterator<Item = (String, MailerOptions)> {
        self.0.mailers.iter().map(|(alias, entry)| (alias.clone(), entry.shared.options.clone()))
    }

    /// The templates of mail, if there are any.
    #[must_use]
    pub fn templates(&self) -> Option<&Templates> {
        self.0.templates.as_ref()
    }

    /// How each mailer is.
    #[must_use]
    pub fn health(&self) -> Vec<MailerHealth> {
        self.0.mailers.values().map(|entry| MailerHealth::of(&entry.shared)).collect()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn unknown(&self, alias: &str) -> MailError {
        MailError::UnknownMailer { alias: alias.to_owned(), known: self.aliases().map(str::to_owned).collect() }
    }

    /// The actor of a mailer: started when it is first asked for, or has died since.
    pub(super) fn actor(&self, alias: &str) -> Result<Addr<MailerActor>, MailError> {
        let entry = self.0.mailers.get(alias).ok_or_else(|| self.unknown(alias))?;
        let mut actor = entry.actor.lock();
        if let Some(address) = actor.as_ref().filter(|address| address.connected()) {
            return Ok(address.clone());
        }
        let mut home = self.0.home.lock();
        let arbiter = match &*home {
            Some(home) => home.arbiter.clone(),
            None => {
                let started = Home::start().map_err(|error| {
                    let step = super::smtp::Step::Waiting;
                    let class = super::smtp::FailureClass::Unreachable;
                    super::smtp::SendError::new(class, step, format!("the system gave no thread for mail ({error})"))
                })?;
                home.insert(started).arbiter.clone()
            }
        };
        let (shared, connector) = (Arc::clone(&entry.shared), entry.connector.clone());
        let address = MailerActor::start_in_arbiter(&arbiter, move |_| MailerActor::new(shared, connector));
        *actor = Some(address.clone());
        Ok(address)
    }
}

impl fmt::Debug for Mailers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.mailers.iter().map(|(alias, entry)| (alias, entry.shared.options.transport.name()));
        f.debug_map().entries(kinds).finish()
    }
}

/// Puts [`Mailers`] together.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct MailersBuilder {
    mailers: Vec<(String, MailerOptions)>,
    templates: Option<Templates>,
    clock: Clock,
}

impl MailersBuilder {
    /// Adds a mailer; it replaces an earlier one of that alias.
    pub fn mailer(mut self, alias: impl Into<String>, options: MailerOptions) -> Self {
        let alias = alias.into();
        self.mailers.retain(|(known, _)| *known != alias);
        self.mailers.push((alias, options));
        self
    }

    /// The templates that [`Mailer::templated`] and the task `send_templated_email` render.
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates = Some(templates);
        self
    }

    /// Takes the time of mails from this clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the options and makes the mailers. Nothing is connected to yet.
    ///
    /// # Errors
    ///
    /// [`InvalidMailer`] names the mailer, the option and the fix.
    pub fn build(self) -> Result<Mailers, InvalidMailer> {
        let mut mailers = BTreeMap::new();
        for (alias, options) in self.mailers {
            let wrong = |(option, problem)| InvalidMailer { alias: alias.clone(), option, problem };
            let alias_problem = |problem| wrong(("", format!("has an alias that {problem}")));
            callboard_tasks::check_name(&alias).map_err(|problem| alias_problem(problem.to_string()))?;
            options.check().map_err(wrong)?;
            let connector = match &options.transport {
                Transport::Smtp(smtp) if smtp.tls != Tls::None => Some(connector(smtp).map_err(wrong)?),
                Transport::File(folder) => {
                    check_folder(folder).map_err(|problem| wrong(("path", problem)))?;
                    None
                }
                _ => None,
            };
            let outbox = Outbox::default();
            let signer = options.dkim.as_ref().map(Dkim::signer).transpose().map_err(wrong)?;
            let state = Mutex::new(State::default());
            let shared = Shared { alias: alias.clone(), options, signer, outbox, state };
            mailers.insert(alias, Entry { shared: Arc::new(shared), connector, actor: Mutex::new(None) });
        }
        let Self { templates, clock, .. } = self;
        Ok(Mailers(Arc::new(Inner { mailers, templates, clock, home: Mutex::new(None) })))
    }
}

/// How a mailer is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailerHealth {
    /// Its alias.
    pub alias: String,
    /// What it sends with: `smtp`, `console`, `file`, `memory`, `dummy`.
    pub transport: &'static str,
    /// Why it sends nothing now, and for how long if it knows; `None` if it sends.
    pub held: Option<(String, Option<Duration>)>,
    /// Mails that wait for a connection or for their turn.
    pub waiting: usize,
    /// Open connections.
    pub connections: usize,
    /// Mails that were taken since the start.
    pub sent: u64,
    /// Mails that were not.
    pub failed: u64,
}

impl MailerHealth {
    pub(super) fn of(shared: &Shared) -> Self {
        let state = shared.state.lock().clone();
        let now = Instant::now();
        let held = match state.held {
            _ if state.paused => Some(("paused by hand".into(), None)),
            Some((until, why)) if until > now => Some((why, Some(until - now))),
            _ => None,
        };
        Self {
            alias: shared.alias.clone(),
            transport: shared.options.transport.name(),
            held,
            waiting: state.waiting,
            connections: state.connections,
            sent: state.sent,
            failed: state.failed,
        }
    }
}
