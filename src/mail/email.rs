//! A mail as its author writes it.

use jiff::Timestamp;

use super::address::{Address, IntoAddresses};
use super::attachment::{Attachment, check_mime};
use super::check;
use super::error::{InvalidMail, MailProblem};

/// A mail, before it is built and sent.
///
/// All fields may be changed at any time; [`check`](Self::check) says what is wrong with them, and so does everything
/// that sends or queues a mail.
///
/// ```
/// use callboard::mail::{Attachment, Email};
///
/// let mail = Email::new("Your invoice")
///     .from(("The Shop", "shop@example.com"))
///     .to("ann@example.com")
///     .bcc(["books@example.com", "archive@example.com"])
///     .text("Dear Ann, your invoice is attached.")
///     .html("<p>Dear Ann, your invoice is attached.</p>")
///     .header("X-Campaign", "spring")
///     .attach(Attachment::new("invoice.pdf", b"%PDF-1.7 ...".to_vec()));
/// mail.check()?;
/// # Ok::<_, callboard::mail::InvalidMail>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Email {
    /// Who writes; `None`: the `from` of the mailer.
    pub from: Option<Address>,
    /// Whom it is to.
    pub to: Vec<Address>,
    /// Who gets a copy and is named.
    pub cc: Vec<Address>,
    /// Who gets a copy and is named nowhere in it.
    pub bcc: Vec<Address>,
    /// Where answers go; empty: to whoever writes.
    pub reply_to: Vec<Address>,
    /// The subject.
    pub subject: String,
    /// The plain text; empty for none.
    pub text: String,
    /// The HTML.
    pub html: Option<String>,
    /// More versions of the same content, each with its type, the best last: `text/calendar`, say.
    pub alternatives: Vec<(String, Vec<u8>)>,
    /// More headers, in order. `Date` and `Message-ID` replace those that are made for every mail.
    pub headers: Vec<(String, String)>,
    /// Files, and images of the HTML.
    pub attachments: Vec<Attachment>,
    /// How to leave the list that a bulk mail goes to.
    pub unsubscribe: Option<Unsubscribe>,
}

/// How to leave a list (RFC 2369 and 8058), for bulk mail alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// An `https` address that unsubscribes by a POST without log-in.
    pub url: String,
    /// An address that unsubscribes who writes to it.
    pub mailto: Option<Address>,
}

impl Email {
    /// A mail with that subject, and nothing else yet.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// Who writes it.
    #[must_use]
    pub fn from(mut self, from: impl Into<Address>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Adds recipients: an address, a name with an address, or a list.
    #[must_use]
    pub fn to(mut self, to: impl IntoAddresses) -> Self {
        self.to.extend(to.into_addresses());
        self
    }

    /// Adds recipients of a copy.
    #[must_use]
    pub fn cc(mut self, cc: impl IntoAddresses) -> Self {
        self.cc.extend(cc.into_addresses());
        self
    }

    /// Adds recipients of a copy whom nobody sees.
    #[must_use]
    pub fn bcc(mut self, bcc: impl IntoAddresses) -> Self {
        self.bcc.extend(bcc.into_addresses());
        self
    }

    /// Adds an address for answers.
    #[must_use]
    pub fn reply_to(mut self, reply_to: impl IntoAddresses) -> Self {
        self.reply_to.extend(reply_to.into_addresses());
        self
    }

    /// The plain text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The HTML, beside the plain text or alone.
    #[must_use]
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds another version of the content, of that type.
    #[must_use]
    pub fn alternative(mut self, mime: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.alternatives.push((mime.into(), content.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a file or an image.
    #[must_use]
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// Marks it as bulk mail that one can leave: by a POST to `url`, which must be `https`, or by a mail to `mailto`.
    /// Adds `List-Unsubscribe`, `List-Unsubscribe-Post`, `Precedence` and `Auto-Submitted`.
    #[must_use]
    pub fn list_unsubscribe(mut self, url: impl Into<String>, mailto: Option<Address>) -> Self {
        self.unsubscribe = Some(Unsubscribe { url: url.into(), mailto });
        self
    }

    /// All whom it goes to: `to`, `cc` and `bcc`, in that order.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// Whether each textual version of the content has this text in it.
    #[must_use]
    pub fn body_contains(&self, text: &str) -> bool {
        let is_text = |mime: &str| mime.to_ascii_lowercase().starts_with("text/");
        let alternatives = self.alternatives.iter().filter(|(mime, _)| is_text(mime));
        self.text.contains(text)
            && self.html.as_ref().is_none_or(|html| html.contains(text))
            && alternatives.into_iter().all(|(_, content)| String::from_utf8_lossy(content).contains(text))
    }

    /// Finds everything that is wrong with it, but for what its mailer decides: a missing `from`.
    ///
    /// # Errors
    ///
    /// [`InvalidMail`] with each field and what to do about it.
    pub fn check(&self) -> Result<(), InvalidMail> {
        let mut problems = Vec::new();
        let mut note = |field: String, checked: Result<(), String>| {
            if let Err(detail) = checked {
                problems.push(MailProblem::new(field, detail));
            }
        };
        if let Some(from) = &self.from {
            note("from".into(), from.check());
        }
        for (field, list) in [("to", &self.to), ("cc", &self.cc), ("bcc", &self.bcc), ("reply_to", &self.reply_to)] {
            for (n, address) in list.iter().enumerate() {
                note(format!("{field}/{n}"), address.check());
            }
        }
        note("subject".into(), check::line(&self.subject));
        note("text".into(), check::body(&self.text));
        note("html".into(), self.html.as_deref().map_or(Ok(()), check::body));
        for (n, (mime, _)) in self.alternatives.iter().enumerate() {
            note(format!("alternatives/{n}"), check_mime(mime));
        }
        for (name, value) in &self.headers {
            // A name may be anything here; it is shown, not used.
            note(format!("headers/{}", name.escape_debug()), check_header(name, value));
        }
        for name in self.twice() {
            note(format!("headers/{}", name.escape_debug()), Err("is given twice; a mail has one".into()));
        }
        for (n, attachment) in self.attachments.iter().enumerate() {
            note(format!("attachments/{n}"), attachment.check());
        }
        if let Some(Unsubscribe { url, mailto }) = &self.unsubscribe {
            note("unsubscribe/url".into(), check_url(url));
            note("unsubscribe/mailto".into(), mailto.as_ref().map_or(Ok(()), Address::check));
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidMail(problems)) }
    }

    /// Headers that a mail has once, and that are given again.
    fn twice(&self) -> impl Iterator<Item = &str> {
        let once = ["date", "message-id", "in-reply-to", "references"];
        self.headers.iter().enumerate().filter_map(move |(n, (name, _))| {
            let is_earlier = |(other, _): &(String, String)| other.eq_ignore_ascii_case(name);
            let again = self.headers[..n].iter().any(is_earlier);
            (again && once.contains(&name.to_ascii_lowercase().as_str())).then_some(name.as_str())
        })
    }

    /// The value of a header that its author gives.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    check::header(name, value)?;
    if name.eq_ignore_ascii_case("message-id") {
        return check::message_id(value);
    }
    if name.eq_ignore_ascii_case("date") && date(value).is_none() {
        return Err(format!("is {value:?}; write a date as mail has it: \"Sun, 22 Nov 2026 10:00:00 +0000\""));
    }
    Ok(())
}

/// A date as mail writes it.
fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

fn check_url(url: &str) -> Result<(), String> {
    let good = |b: u8| (33..=126).contains(&b) && !b"<>\",".contains(&b);
    if url.len() > 12 && url.len() <= check::MAX_WORD && url.starts_with("https://") && url.bytes().all(good) {
        return Ok(());
    }
    Err(format!("is {url:?}; write an https address without spaces, commas and brackets"))
}
