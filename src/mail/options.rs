//! How a mailer is configured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::{Address, IntoAddresses};
use super::bounce;
use super::dkim::Dkim;
use super::smtp::{SmtpOptions, Tls, connector};

/// How a mailer is configured: where it sends to, and what holds for all of its mail.
///
/// ```
/// use callboard::mail::{MailerOptions, SmtpOptions};
///
/// let options = MailerOptions::smtp(SmtpOptions::new("smtp.example.com"))
///     .from(("The Shop", "shop@example.com"))
///     .admins("ops@example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailerOptions {
    /// Where mail goes.
    pub transport: Transport,
    /// Who writes, for mail that does not say; `None`: every mail must.
    pub from: Option<Address>,
    /// The right side of Message-IDs; `None`: the domain of `from`, else the name of this machine.
    pub domain: Option<String>,
    /// Who writes to `admins` and `managers`; `None`: `from`.
    pub server_from: Option<Address>,
    /// Who is told by `mail_admins`.
    pub admins: Vec<Address>,
    /// Who is told by `mail_managers`.
    pub managers: Vec<Address>,
    /// What stands before the subject of mail to `admins` and `managers`.
    pub subject_prefix: String,
    /// The most mails in a time; `None` is as many as there are.
    pub rate: Option<Rate>,
    /// What is done about a mail of which nobody knows whether the server took it.
    pub ambiguous: Ambiguous,
    /// Sends everything to these addresses instead of to its recipients, for development.
    pub redirect_all: Vec<Address>,
    /// Sends to these domains alone; `None` is to all.
    pub allow_domains: Option<Vec<String>>,
    /// The folder of mails that are too large for a job; `None`: they cannot be enqueued. All processes that send mail of
    /// one store must have the same.
    pub spool: Option<PathBuf>,
    /// The folder of files that calls of `send_email` and `send_templated_email` may attach by their names; `None`: none.
    /// It needs [`spool`](Self::spool()).
    pub files: Option<PathBuf>,
    /// How mail is signed; `None`: it is not.
    pub dkim: Option<Dkim>,
    /// Where servers report to about mail that they could not deliver, such as `bounce@example.com`: each mail has an
    /// address of its own there, `bounce+<its name>@example.com`. `None`: they report to who writes.
    pub bounces: Option<Address>,
    /// The task that is enqueued for each recipient who did not get a mail, when [`take_bounce`](super::take_bounce) was
    /// told so. Its one argument is `bounce`, a [`Bounce`](super::bounce::Bounce).
    pub on_bounce: Option<String>,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// To a server.
    Smtp(Box<SmtpOptions>),
    /// To stdout.
    Console,
    /// Into a folder, a file for each mail.
    File(PathBuf),
    /// Into the outbox of the mailer, for tests: [`Mailer::outbox`](super::Mailer::outbox).
    Memory,
    /// Nowhere.
    Dummy,
}

impl Transport {
    /// What it is called in the settings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Smtp(_) => "smtp",
            Self::Console => "console",
            Self::File(_) => "file",
            Self::Memory => "memory",
            Self::Dummy => "dummy",
        }
    }
}

/// At most so many mails in that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub mails: u32,
    /// In which time, longer than none.
    pub per: Duration,
}

/// What is done about a mail whose server went away between its end and the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambiguous {
    /// It is sent again, with the same Message-ID and the same bytes: it may arrive twice, and is never lost.
    #[default]
    Retry,
    /// Its job fails and says so: it may be lost, and never arrives twice.
    Fail,
}

impl MailerOptions {
    /// A mailer that sends that way.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            from: None,
            domain: None,
            server_from: None,
            admins: Vec::new(),
            managers: Vec::new(),
            subject_prefix: "[Callboard] ".into(),
            rate: None,
            ambiguous: Ambiguous::default(),
            redirect_all: Vec::new(),
            allow_domains: None,
            spool: None,
            files: None,
            dkim: None,
            bounces: None,
            on_bounce: None,
        }
    }

    /// A mailer that sends to a server.
    #[must_use]
    pub fn smtp(options: SmtpOptions) -> Self {
        Self::new(Transport::Smtp(Box::new(options)))
    }

    /// Who writes, for mail that does not say.
    #[must_use]
    pub fn from(mut self, from: impl Into<Address>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Who is told by `mail_admins`.
    #[must_use]
    pub fn admins(mut self, admins: impl IntoAddresses) -> Self {
        self.admins = admins.into_addresses();
        self
    }

    /// Who is told by `mail_managers`.
    #[must_use]
    pub fn managers(mut self, managers: impl IntoAddresses) -> Self {
        self.managers = managers.into_addresses();
        self
    }

    /// The most mails in a time.
    #[must_use]
    pub const fn rate(mut self, mails: u32, per: Duration) -> Self {
        self.rate = Some(Rate { mails, per });
        self
    }

    /// Where servers report to about mail that they could not deliver.
    #[must_use]
    pub fn bounces(mut self, address: impl Into<Address>) -> Self {
        self.bounces = Some(address.into());
        self
    }

    /// The task that is enqueued for each recipient who did not get a mail, by its full name.
    #[must_use]
    pub fn on_bounce(mut self, task: impl Into<String>) -> Self {
        self.on_bounce = Some(task.into());
        self
    }

    /// Signs all mail.
    #[must_use]
    pub fn dkim(mut self, dkim: Dkim) -> Self {
        self.dkim = Some(dkim);
        self
    }

    /// The folder of mails that are too large for a job.
    #[must_use]
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// What is wrong with it, outside of the program too: the files that it names. Nothing is made or changed.
    pub(crate) fn check_all(&self) -> Result<(), (&'static str, String)> {
        self.check()?;
        match &self.transport {
            Transport::Smtp(smtp) if smtp.tls != Tls::None => connector(smtp).map(|_| ()),
            Transport::File(folder) => can_be_folder("path", folder),
            _ => Ok(()),
        }?;
        self.dkim.as_ref().map_or(Ok(()), |dkim| dkim.signer().map(|_| ()))?;
        self.spool.as_ref().map_or(Ok(()), |folder| can_be_folder("spool", folder))?;
        match &self.files {
            Some(folder) if !folder.is_dir() => Err(("files", format!("is {}, which is no folder", folder.display()))),
            _ => Ok(()),
        }
    }

    /// What is wrong with it: the option and the problem.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let lists = [
            ("from", self.from.as_slice()),
            ("server_from", self.server_from.as_slice()),
            ("admins", &self.admins),
            ("managers", &self.managers),
            ("redirect_all", &self.redirect_all),
            ("bounces", self.bounces.as_slice()),
        ];
        for (option, addresses) in lists {
            for address in addresses {
                address.check().map_err(|problem| (option, problem))?;
            }
        }
        super::check::line(&self.subject_prefix).map_err(|problem| ("subject_prefix", problem))?;
        if let Some(domain) = &self.domain {
            let address = Address::from(format!("x@{domain}"));
            address.check().map_err(|_| ("domain", format!("is {domain:?}, no name of a domain")))?;
        }
        if self.rate.is_some_and(|rate| rate.mails == 0 || rate.per.is_zero()) {
            return Err(("rate", "is nothing; write at least one mail in a time, such as \"100/1m\"".into()));
        }
        self.dkim.as_ref().map_or(Ok(()), Dkim::check)?;
        if let Some(bounces) = &self.bounces {
            let local = bounces.email.split('@').next().unwrap_or_default();
            if local.len() > bounce::MAX_LOCAL || local.contains(['+', '"']) {
                let most = bounce::MAX_LOCAL;
                let fix = format!("write one with at most {most} characters before the @, and no + or quotes");
                return Err(("bounces", format!("is {bounces}, to which the name of a mail cannot be added; {fix}")));
            }
        }
        if let Some(task) = &self.on_bounce {
            callboard_tasks::check_name(task).map_err(|problem| ("on_bounce", problem.to_string()))?;
        }
        if self.files.is_some() && self.spool.is_none() {
            let detail = "is missing; mail with files may be too large for a job, so name a folder for it as well";
            return Err(("spool", detail.into()));
        }
        if let Transport::Smtp(smtp) = &self.transport {
            check_smtp(smtp)?;
        }
        Ok(())
    }
}

/// Whether a folder is there or can be made, as far as that is to be seen.
fn can_be_folder(option: &'static str, folder: &Path) -> Result<(), (&'static str, String)> {
    let there = folder.ancestors().find(|part| part.as_os_str().is_empty() || part.exists());
    match there {
        Some(part) if !part.as_os_str().is_empty() && !part.is_dir() => {
            Err((option, format!("is {}, but {} is no folder", folder.display(), part.display())))
        }
        _ => Ok(()),
    }
}

fn check_smtp(smtp: &SmtpOptions) -> Result<(), (&'static str, String)> {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| (33..=126).contains(&b));
    if !word(&smtp.host) {
        return Err((
            "host",
            format!("is {:?}; write the name of the server, such as \"smtp.example.com\"", smtp.host),
        ));
    }
    if !word(&smtp.hello) {
        return Err(("hello", format!("is {:?}; write a name without spaces", smtp.hello)));
    }
    for (option, number) in [("connections", smtp.connections), ("mails_per_connection", smtp.mails_per_connection)] {
        if number == 0 {
            return Err((option, "is 0; give at least 1".into()));
        }
    }
    match &smtp.login {
        Some((name, _)) if name.is_empty() || name.contains('\0') => {
            Err(("username", "is empty or holds a NUL character".into()))
        }
        Some((_, password)) if password.0.is_empty() || password.0.contains('\0') => {
            // Django would go on without logging in, and the server would refuse each mail.
            Err(("password", "is missing or holds a NUL character; with a username there must be a password".into()))
        }
        _ => Ok(()),
    }
}
