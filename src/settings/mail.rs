//! `[mail.alias]` and `[templates]`: where mail goes, and what it is made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callboard_actors::Builder;
use callboard_tasks::{near_names, parse_duration};
use callboard_templates::Templates;

use super::section::{Found, Section};
use super::tree::Place;
use crate::mail::{
    Address, Ambiguous, Deadlines, Dkim, MailerOptions, Mailers, Password, Rate, SmtpOptions, Tls, Transport,
    WithMail as _, check_templates,
};

/// What the settings say about mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailSettings {
    /// The mailers by alias; empty if nothing is said about them, and those of the builder stay.
    pub mailers: BTreeMap<String, MailerOptions>,
    /// The folder of templates, if one is named.
    pub templates: Option<PathBuf>,
    /// Whether the server shows what they make, at `/ui/mail/previews`: for development alone.
    pub previews: bool,
}

impl MailSettings {
    /// Puts the mailers together, with the templates; what is not said stays as `known` has it.
    ///
    /// # Errors
    ///
    /// What cannot be used of what was right when the settings were read.
    fn mailers(self, known: Option<&Mailers>) -> Result<Mailers, callboard_tasks::BoxError> {
        let mut builder = Mailers::builder();
        if self.mailers.is_empty() {
            builder = match known {
                Some(known) => {
                    known.options().fold(builder, |builder, (alias, options)| builder.mailer(alias, options))
                }
                None => builder.mailer("default", standard()),
            };
        }
        if let Some(templates) = known.and_then(Mailers::templates) {
            builder = builder.templates(templates.clone());
        }
        for (alias, options) in self.mailers {
            builder = builder.mailer(alias, options);
        }
        if let Some(folder) = self.templates {
            let templates = Templates::builder().dir(folder);
            // Who looks at a mail while writing it wants to see what was just written.
            let templates = if self.previews { templates.reload(true) } else { templates };
            builder = builder.templates(templates.build()?);
        }
        Ok(builder.build()?)
    }

    /// Gives a board its mail, if anything is said about it.
    pub(super) fn configure(self, builder: Builder) -> Builder {
        if self.mailers.is_empty() && self.templates.is_none() {
            return builder;
        }
        match self.mailers(builder.given::<Mailers>().as_deref()) {
            Ok(mailers) => builder.mail(mailers),
            Err(problem) => builder.refuse("mail", problem),
        }
    }
}

/// The mailer of a server whose settings name none.
fn standard() -> MailerOptions {
    MailerOptions::new(Transport::Console).from("webmaster@localhost")
}

/// The options of a mailer that is a server's.
const OF_SMTP: [&str; 9] =
    ["host", "port", "username", "password", "tls", "insecure", "ca_file", "timeout", "connections"];

const BACKENDS: [&str; 5] = ["smtp", "console", "file", "memory", "dummy"];

/// Reads the tables below `[mail]`.
pub(super) fn read_mailers(mail: Option<Section<'_>>, folder: &Path) -> BTreeMap<String, MailerOptions> {
    let mut mailers = BTreeMap::new();
    let Some(mut mail) = mail else { return mailers };
    for alias in mail.names() {
        let Some(section) = mail.named_section(&alias) else { continue };
        if let Err(problem) = callboard_tasks::check_name(&alias) {
            section.note_self(format!("is an alias that {problem}"));
        }
        if let Some(options) = read_mailer(section, folder) {
            mailers.insert(alias, options);
        }
    }
    mailers
}

fn read_mailer(mut section: Section<'_>, folder: &Path) -> Option<MailerOptions> {
    if !section.has("backend") {
        section.missing("backend", "write backend = \"smtp\", \"console\", \"file\", \"memory\" or \"dummy\"");
    }
    let backend = section.read("backend", "smtp", one_of(&BACKENDS)).map(|backend| backend.value);
    if backend.as_deref() != Some("smtp") && backend.is_some() {
        for key in OF_SMTP {
            section.useless(key, "with a mailer that is not smtp");
        }
    }
    if backend.as_deref() != Some("file") && backend.is_some() {
        section.useless("path", "with a mailer that is not file");
    }
    let transport = match backend.as_deref() {
        Some("smtp") => smtp(&mut section, folder).map(|smtp| Transport::Smtp(Box::new(smtp))),
        Some("console") => Some(Transport::Console),
        Some("file") => path(&mut section, "path", "sent-mail", folder).map(Transport::File),
        Some("memory") => Some(Transport::Memory),
        Some("dummy") => Some(Transport::Dummy),
        _ => {
            // What else is wrong below it is still worth knowing.
            for key in OF_SMTP {
                section.value(key);
            }
            section.value("path");
            None
        }
    };
    let mut options = MailerOptions::new(Transport::Dummy);
    options.from = section.read("from", "shop@example.com", address).map(|from| from.value);
    options.server_from = section.read("server_from", "root@example.com", address).map(|from| from.value);
    options.domain = section.read("domain", "example.com", domain).map(|domain| domain.value);
    options.admins = addresses(&mut section, "admins");
    options.managers = addresses(&mut section, "managers");
    options.redirect_all = addresses(&mut section, "redirect_all");
    if let Some(prefix) = section.text("subject_prefix", "[Shop] ") {
        options.subject_prefix = prefix.value;
    }
    options.rate = section.read("rate", "100/1m", rate).map(|rate| rate.value);
    let ambiguous = section.read("ambiguous", "retry", one_of(&["retry", "fail"]));
    if ambiguous.is_some_and(|ambiguous| ambiguous.value == "fail") {
        options.ambiguous = Ambiguous::Fail;
    }
    options.allow_domains = section.texts("allow_domains", "[\"example.com\"]").map(|domains| {
        let known = domains.into_iter().filter_map(|name| match domain(&name.value) {
            Ok(domain) => Some(domain),
            Err(problem) => {
                section.note(name.problem(problem));
                None
            }
        });
        known.collect()
    });
    options.bounces = section.read("bounces", "bounce@example.com", address).map(|bounces| bounces.value);
    options.on_bounce = section.text("on_bounce", "shop.mail_bounced").map(|task| task.value);
    options.dkim = dkim(&mut section, folder);
    options.spool = path(&mut section, "spool", "mail-spool", folder);
    options.files = path(&mut section, "files", "mail-files", folder);
    let options = transport.map(|transport| MailerOptions { transport, ..options });
    if let Some(options) = &options
        && let Err((option, problem)) = options.check_all()
    {
        section.note_key(option, problem);
    }
    section.finish();
    options
}

/// How mail is signed: a selector and the file of a key, or neither.
fn dkim(section: &mut Section<'_>, folder: &Path) -> Option<Dkim> {
    let selector = section.text("dkim_selector", "mail").map(|selector| selector.value);
    let domain = section.read("dkim_domain", "example.com", domain).map(|domain| domain.value);
    let key_file = path(section, "dkim_key_file", "dkim.pem", folder);
    match (selector, key_file) {
        (Some(selector), Some(key_file)) => Some(Dkim { selector, key_file, domain }),
        (None, Some(_)) => {
            section.missing_unless_wrong("dkim_selector", "write which key of the domain it is, such as \"mail\"");
            None
        }
        (Some(_), None) => {
            section.missing_unless_wrong("dkim_key_file", "name the file of the private key, such as \"dkim.pem\"");
            None
        }
        (None, None) => {
            if domain.is_some() {
                section.missing_unless_wrong("dkim_key_file", "without a key nothing is signed for dkim_domain");
            }
            None
        }
    }
}

fn smtp(section: &mut Section<'_>, folder: &Path) -> Option<SmtpOptions> {
    if !section.has("host") {
        section.missing("host", "write host = \"smtp.example.com\"");
    }
    let host = section.text("host", "smtp.example.com").map(|host| host.value);
    let tls = section.read("tls", "starttls", one_of(&["starttls", "implicit", "none"]));
    let insecure = section.flag("insecure").is_some_and(|insecure| insecure.value);
    let mut smtp = SmtpOptions::new(host.clone().unwrap_or_default());
    if let Some(tls) = &tls {
        smtp.tls = match tls.value.as_str() {
            "implicit" => Tls::Implicit,
            "none" => Tls::None,
            _ => Tls::StartTls,
        };
        smtp.port = smtp.tls.port();
        if smtp.tls == Tls::None && !insecure && host.as_deref().is_some_and(|host| Tls::usual(host) != Tls::None) {
            let detail = "is \"none\", so everybody on the way could read the mail and the password; write \"starttls\" or \
                \"implicit\", or add insecure = true if nobody is on the way";
            section.note(tls.problem(detail));
        }
    }
    if let Some(port) = section.number("port", 1..=65_535) {
        smtp.port = u16::try_from(port.value).unwrap_or(smtp.port);
    }
    let username = section.text("username", "shop").map(|name| name.value);
    let password = section.secret("password");
    smtp.login = match (username, password) {
        (Some(name), Some(password)) => Some((name, Password(password.value))),
        (Some(_), None) => {
            let fix = "with a username there is a password; write it, or set it by the variable of this key";
            section.missing("password", fix);
            None
        }
        (None, Some(password)) => {
            section.note(password.problem("has no effect without a username; add username, or remove it"));
            None
        }
        (None, None) => None,
    };
    smtp.ca_file = path(section, "ca_file", "ca.pem", folder);
    if let Some(limit) = section.duration("timeout", Duration::from_millis(100)) {
        smtp.deadlines = Deadlines::all(limit.value);
    }
    if let Some(connections) = section.number("connections", 1..=100) {
        smtp.connections = connections.value;
    }
    host.map(|_| smtp)
}

/// Reads `[templates]`, and reports everything that is wrong with the templates.
pub(super) fn read_templates(templates: Option<Section<'_>>, folder: &Path) -> (Option<PathBuf>, bool) {
    let Some(mut section) = templates else { return (None, false) };
    let previews = section.flag("previews").is_some_and(|previews| previews.value);
    if !section.has("dir") {
        section.missing("dir", "write dir = \"templates\"");
    }
    let dir = path(&mut section, "dir", "templates", folder);
    if let Some(dir) = &dir {
        match Templates::builder().dir(dir).reload(true).build() {
            Ok(templates) => {
                for problem in check_templates(&templates) {
                    section.note_key("dir", format!("has a template with a problem: {problem}"));
                }
            }
            Err(error) => section.note_key("dir", format!("cannot be used: {}", chain(&error))),
        }
    }
    section.finish();
    (dir, previews)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// A path beside the settings file, unless it is absolute.
fn path(section: &mut Section<'_>, key: &'static str, example: &str, folder: &Path) -> Option<PathBuf> {
    let Found { value, place, .. } = section.text(key, example)?;
    // A variable is set by somebody who stands in the working directory, not beside the settings file.
    Some(if matches!(place, Place::Variable(_)) { PathBuf::from(value) } else { folder.join(value) })
}

fn addresses(section: &mut Section<'_>, key: &'static str) -> Vec<Address> {
    let mut addresses = Vec::new();
    for text in section.texts(key, "[\"ops@example.com\"]").unwrap_or_default() {
        match address(&text.value) {
            Ok(address) => addresses.push(address),
            Err(problem) => section.note(text.problem(problem)),
        }
    }
    addresses
}

fn address(text: &str) -> Result<Address, String> {
    let address = Address::from(text);
    address.check().map(|()| address)
}

fn domain(text: &str) -> Result<String, String> {
    let is_one = Address::from(format!("x@{text}")).check().is_ok() && !text.contains(['@', '<', '>']);
    if is_one { Ok(text.to_owned()) } else { Err(format!("is {text:?}; write a name such as \"example.com\"")) }
}

fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("is {text:?}; write a number of mails and a time, such as \"100/1m\"");
    let (mails, per) = text.split_once('/').ok_or_else(wrong)?;
    let mails = mails.trim().parse().ok().filter(|mails| *mails > 0).ok_or_else(wrong)?;
    let per = parse_duration(per.trim()).ok().filter(|per| !per.is_zero()).ok_or_else(wrong)?;
    Ok(Rate { mails, per })
}

fn one_of(names: &'static [&'static str]) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if names.contains(&text) {
            return Ok(text.to_owned());
        }
        Err(match near_names(text, names.iter().copied()).first() {
            Some(near) => format!("is {text:?}; did you mean {near:?}?"),
            None => {
                let all: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
                format!("is {text:?}; write {}", all.join(", "))
            }
        })
    }
}
