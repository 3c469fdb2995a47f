//! `mail test` sends a mail to see that it can be done, `mail preview` shows what a template makes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use callboard_actors::Builder;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::error::Error;
use super::output::{self, plain};
use crate::mail::{Address, Email, Mailer, Mailers, values_beside};
use crate::settings::Settings;

/// Send a test mail, or see what a template makes
#[derive(Debug, Args)]
pub(super) struct MailVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Test(Test),
    Preview(Preview),
}

/// Send a mail, and say what the server answered
#[derive(Debug, Args)]
struct Test {
    /// Whom to send to
    #[arg(value_name = "ADDRESS")]
    to: Vec<String>,
    /// Send one to the admins in the settings
    #[arg(long)]
    admins: bool,
    /// Send one to the managers in the settings
    #[arg(long)]
    managers: bool,
    #[command(flatten)]
    which: Which,
}

/// Show the mail that a template makes; nothing is sent
#[derive(Debug, Args)]
struct Preview {
    /// The template, such as welcome.email; without one, those that there are
    template: Option<String>,
    /// The values that it shows: a JSON object, or @FILE with one; else that of the file beside it,
    /// welcome.preview.json, if there is one
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// What to show of it
    #[arg(long, value_enum, default_value = "all")]
    part: Part,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// The subject, the headers, the text, and how long the HTML is
    All,
    /// The subject
    Subject,
    /// The plain text
    Text,
    /// The HTML, for a file to be looked at in a browser
    Html,
    /// The mail as it travels
    Source,
}

/// Which mailer.
#[derive(Debug, Args)]
struct Which {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The alias of the mailer
    #[arg(long, value_name = "ALIAS", default_value = "default")]
    mailer: String,
}

impl MailVerb {
    pub(super) fn run(self, builder: Builder) -> Result<ExitCode, Error> {
        match self.verb {
            Verb::Test(verb) => verb.run(builder),
            Verb::Preview(verb) => verb.run(builder),
        }
    }
}

impl Which {
    fn settings(&self) -> Result<Settings, Error> {
        Ok(Settings::find(self.config.as_deref())?)
    }

    fn mailer(&self, builder: Builder, settings: Settings) -> Result<Mailer, Error> {
        let mailers: Arc<Mailers> = builder.settings(settings).given().ok_or_else(|| {
            Error::Usage("this program has no mailers; name one in [mail.default] of its settings".into())
        })?;
        mailers.get(&self.mailer).map_err(|error| Error::Usage(error.to_string()))
    }
}

impl Test {
    fn run(self, builder: Builder) -> Result<ExitCode, Error> {
        if self.to.is_empty() && !self.admins && !self.managers {
            let hint = "nobody to send to; name an address, --admins or --managers";
            return Err(Error::Usage(hint.into()));
        }
        let settings = self.which.settings()?;
        let mailer = self.which.mailer(builder, settings)?;
        let text = "This mail was sent to see whether mail can be sent. It can.";
        let mail = |to: Vec<Address>| Email::new("A test of callboard").to(to).text(text);
        let mut mails = Vec::new();
        if !self.to.is_empty() {
            mails.push(mail(self.to.iter().map(Address::from).collect()));
        }
        let options = mailer.options();
        for (asked, name, list) in
            [(self.managers, "managers", &options.managers), (self.admins, "admins", &options.admins)]
        {
            if asked && list.is_empty() {
                return Err(Error::Usage(format!(
                    "the mailer {:?} has no {name}; add them to the settings",
                    mailer.alias()
                )));
            }
            if asked {
                let mut mail = mail(list.clone());
                mail.from.clone_from(&options.server_from);
                mails.push(mail);
            }
        }
        for mail in &mails {
            let delivery = super::stores::wait_for(mailer.send(mail)).map_err(Error::Mail)?;
            let mut told =
                format!("sent to {}: {}\n", delivery.accepted.join(", "), one_line(&delivery.reply.to_string()));
            for refusal in delivery.refused.iter().chain(&delivery.deferred) {
                told += &format!("not to {}: {}\n", refusal.address, one_line(&refusal.reply.to_string()));
            }
            output::to_stderr(&plain(&told))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Preview {
    fn run(self, builder: Builder) -> Result<ExitCode, Error> {
        let settings = self.which.settings()?;
        let folder = settings.mail.templates.clone();
        let mailer = self.which.mailer(builder, settings)?;
        let Some(template) = &self.template else {
            output::to_stdout(&list(&mailer)?)?;
            return Ok(ExitCode::SUCCESS);
        };
        let context = self.context(folder.as_deref(), template)?;
        let mail = mailer.templated(template, &context).map_err(Error::Mail)?;
        let shown = match self.part {
            Part::Subject => format!("{}\n", mail.subject),
            Part::Text => mail.text,
            Part::Html => mail.html.ok_or_else(|| Error::Usage(format!("the template {template:?} has no html")))?,
            Part::Source => source(&mailer, mail)?,
            Part::All => all(&mail),
        };
        output::to_stdout(&shown)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The values that the template is to show.
    fn context(&self, folder: Option<&std::path::Path>, template: &str) -> Result<Value, Error> {
        let usage = |error: &dyn std::fmt::Display, what: &str| Error::Usage(format!("{what} cannot be used: {error}"));
        let read = |path: &std::path::Path| {
            let text = std::fs::read_to_string(path).map_err(|error| usage(&error, &path.display().to_string()))?;
            serde_json::from_str(&text).map_err(|error| usage(&error, &path.display().to_string()))
        };
        match &self.context {
            Some(context) => match context.strip_prefix('@') {
                Some(path) => read(path.as_ref()),
                None => serde_json::from_str(context).map_err(|error| usage(&error, "--context")),
            },
            None => match folder {
                Some(folder) => values_beside(folder, template).map_err(Error::Usage),
                None => Ok(Value::Object(serde_json::Map::new())),
            },
        }
    }
}

/// The templates of mail that there are.
fn list(mailer: &Mailer) -> Result<String, Error> {
    let templates = mailer.mail_templates().map_err(Error::Mail)?;
    Ok(match templates.as_slice() {
        [] => "there are no templates of mail; they end in .email\n".into(),
        templates => templates.iter().map(|name| format!("{name}\n")).collect(),
    })
}

/// A mail as it would travel, to nobody in particular.
fn source(mailer: &Mailer, mut mail: Email) -> Result<String, Error> {
    let nobody = || Address::from("somebody@example.com");
    mail.to.push(nobody());
    if mailer.options().from.is_none() {
        mail.from = Some(nobody());
    }
    Ok(mailer.build(&mail).map_err(Error::Mail)?.source.text().replace("\r\n", "\n"))
}

fn all(mail: &Email) -> String {
    let mut page = format!("Subject: {}\n", mail.subject);
    for (name, value) in &mail.headers {
        page += &format!("{name}: {value}\n");
    }
    page += &format!("\n{}", mail.text);
    match &mail.html {
        Some(html) => page += &format!("\n({} bytes of HTML; see it with --part html)\n", html.len()),
        None => page += "\n(no HTML)\n",
    }
    plain(&page)
}
