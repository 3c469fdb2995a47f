//! Makes the bytes of a mail: a pure function of the mail and its identity.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lettre::message::header::{ContentDisposition, ContentId, ContentTransferEncoding, ContentType};
use lettre::message::{Body, MultiPart, SinglePart};

use super::address::Address;
use super::attachment::{Attachment, is_message};
use super::built::{Identity, Message, Source};
use super::email::{Email, Unsubscribe};
use super::error::{InvalidMail, MailProblem};
use super::header;

impl Email {
    /// Builds it: checked, encoded, with the same bytes each time.
    ///
    /// Everything is ASCII, so that any server takes it, but for an attached mail that is not.
    ///
    /// # Errors
    ///
    /// [`InvalidMail`] with everything that is wrong, a missing `from` or recipient included.
    pub fn build(&self, identity: &Identity) -> Result<Message, InvalidMail> {
        let mut problems = self.check().err().map_or_else(Vec::new, |invalid| invalid.0);
        if self.from.is_none() {
            problems
                .push(MailProblem::new("from", "is missing; say who writes, here or in the settings of the mailer"));
        }
        if self.recipients().next().is_none() {
            problems.push(MailProblem::new("to", "is empty; give at least one recipient in to, cc or bcc"));
        }
        let (Some(from), []) = (&self.from, problems.as_slice()) else { return Err(InvalidMail(problems)) };
        // The library panics on what it did not expect. Nothing that passed the checks makes it, as far as is known.
        let source = catch_unwind(AssertUnwindSafe(|| source(self, from, identity)));
        let Ok(source) = source else {
            let detail = "cannot be built, for a reason that the checks do not know; please report this mail";
            return Err(InvalidMail(vec![MailProblem::new("mail", detail)]));
        };
        let message_id = self.given("message-id").unwrap_or(&identity.message_id).to_owned();
        let mut to = Vec::new();
        for address in self.recipients().filter_map(|address| address.wire().ok()) {
            if !to.contains(&address) {
                to.push(address);
            }
        }
        let from = from.wire().unwrap_or_default();
        Ok(Message { from, to, message_id, source: Source::new(source) })
    }
}

fn source(mail: &Email, from: &Address, identity: &Identity) -> Vec<u8> {
    let mut text = head(mail, from, identity).into_bytes();
    text.extend_from_slice(b"MIME-Version: 1.0\r\n");
    let boundaries = Boundaries::of(mail.given("message-id").unwrap_or(&identity.message_id));
    match content(mail, &boundaries) {
        Node::Leaf(part) => {
            text.extend_from_slice(format!("{}\r\n", part.headers()).as_bytes());
            text.extend_from_slice(part.raw_body());
            if !text.ends_with(b"\r\n") {
                text.extend_from_slice(b"\r\n");
            }
        }
        Node::Many(parts) => text.extend_from_slice(&parts.formatted()),
    }
    text
}

/// The headers of the whole mail.
fn head(mail: &Email, from: &Address, identity: &Identity) -> String {
    let mut head = header::text("Subject", &mail.subject);
    head += &header::addresses("From", std::slice::from_ref(from));
    for (name, list) in [("To", &mail.to), ("Cc", &mail.cc), ("Reply-To", &mail.reply_to)] {
        if !list.is_empty() {
            head += &header::addresses(name, list);
        }
    }
    if mail.given("date").is_none() {
        head += &header::raw("Date", &identity.date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
    }
    if mail.given("message-id").is_none() {
        head += &header::raw("Message-ID", &identity.message_id);
    }
    if let Some(Unsubscribe { url, mailto }) = &mail.unsubscribe {
        let mailto = mailto.as_ref().and_then(|address| address.wire().ok());
        let mailto = mailto.map(|address| format!(", <mailto:{address}>")).unwrap_or_default();
        head += &header::raw("List-Unsubscribe", &format!("<{url}>{mailto}"));
        head += &header::raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
        for (name, value) in [("Precedence", "bulk"), ("Auto-Submitted", "auto-generated")] {
            if mail.given(name).is_none() {
                head += &header::raw(name, value);
            }
        }
    }
    for (name, value) in &mail.headers {
        let is_read_by_programs = ["date", "message-id", "references", "in-reply-to"];
        head += &match is_read_by_programs.contains(&name.to_ascii_lowercase().as_str()) {
            true => header::raw(name, value),
            false => header::text(name, value),
        };
    }
    head
}

/// A part, or several under one.
enum Node {
    Leaf(SinglePart),
    Many(MultiPart),
}

impl Node {
    fn under(self, parent: MultiPart) -> MultiPart {
        match self {
            Self::Leaf(part) => parent.singlepart(part),
            Self::Many(parts) => parent.multipart(parts),
        }
    }
}

/// Text that separates parts: made from the Message-ID, which nobody knows who writes a mail that is queued.
struct Boundaries(String);

impl Boundaries {
    fn of(message_id: &str) -> Self {
        Self(message_id.chars().filter(char::is_ascii_alphanumeric).take(40).collect())
    }

    fn at(&self, level: &str) -> String {
        format!("={level}={}=", self.0)
    }
}

/// The structure, which is Django's; images of the HTML stand beside it in a `multipart/related`.
fn content(mail: &Email, boundaries: &Boundaries) -> Node {
    let has_html = mail.html.is_some();
    let (inline, attached): (Vec<_>, Vec<_>) =
        mail.attachments.iter().partition(|attachment| has_html && attachment.content_id.is_some());
    let html = mail.html.as_ref().map(|html| {
        let html = Node::Leaf(text_part(html, "text/html; charset=utf-8"));
        match inline.is_empty() {
            true => html,
            false => {
                let related = html.under(MultiPart::related().boundary(boundaries.at("related")).build());
                Node::Many(inline.iter().fold(related, |parts, image| parts.singlepart(attachment_part(image))))
            }
        }
    });
    let text = || Node::Leaf(text_part(&mail.text, "text/plain; charset=utf-8"));
    let others = mail.alternatives.iter().map(|(mime, content)| Node::Leaf(part_of(mime, content)));
    let versions: Vec<Node> = html.into_iter().chain(others).collect();
    let body = if !versions.is_empty() {
        let mut parts = MultiPart::alternative().boundary(boundaries.at("alternative")).build();
        if !mail.text.is_empty() {
            parts = text().under(parts);
        }
        Some(Node::Many(versions.into_iter().fold(parts, |parts, version| version.under(parts))))
    } else if mail.text.is_empty() && !attached.is_empty() {
        None
    } else {
        Some(text())
    };
    let body = match body {
        Some(body) if attached.is_empty() => return body,
        body => body,
    };
    let mut mixed = MultiPart::mixed().boundary(boundaries.at("mixed")).build();
    if let Some(body) = body {
        mixed = body.under(mixed);
    }
    Node::Many(attached.iter().fold(mixed, |parts, attachment| parts.singlepart(attachment_part(attachment))))
}

/// Text as a part: it ends with a line end, as every text should.
fn text_part(text: &str, mime: &str) -> SinglePart {
    let mut lines = text.replace("\r\n", "\n").replace('\r', "\n");
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    SinglePart::builder().content_type(content_type(mime)).body(lines)
}

fn part_of(mime: &str, content: &[u8]) -> SinglePart {
    match (std::str::from_utf8(content), kind(mime)) {
        (Ok(text), Kind::Text) => SinglePart::builder()
            .content_type(content_type(&with_utf8(mime)))
            .body(text.replace("\r\n", "\n").replace('\r', "\n")),
        _ => SinglePart::builder().content_type(content_type(mime)).body(content.to_vec()),
    }
}

fn attachment_part(attachment: &Attachment) -> SinglePart {
    let Attachment { name, content, content_id, .. } = attachment;
    let mut builder = SinglePart::builder();
    if let Some(id) = content_id {
        builder = builder.header(ContentId::from(format!("<{id}>")));
    }
    builder = builder.header(match (content_id, name) {
        (Some(_), Some(name)) => ContentDisposition::inline_with_name(name),
        (Some(_), None) => ContentDisposition::inline(),
        (None, name) => ContentDisposition::attachment(name.as_deref().unwrap_or("attachment")),
    });
    let mime = attachment.mime_type();
    match (kind(&mime), std::str::from_utf8(content)) {
        (Kind::Message, _) => {
            let encoding = match content.is_ascii() {
                true => ContentTransferEncoding::SevenBit,
                false => ContentTransferEncoding::EightBit,
            };
            let body = Body::dangerous_pre_encoded(mail_lines(content), encoding);
            builder.content_type(content_type(&mime)).body(body)
        }
        (Kind::Text, Ok(text)) => {
            builder.content_type(content_type(&with_utf8(&mime))).body(text.replace("\r\n", "\n").replace('\r', "\n"))
        }
        _ => builder.content_type(content_type(&mime)).body(content.clone()),
    }
}

enum Kind {
    Text,
    Message,
    Other,
}

fn kind(mime: &str) -> Kind {
    match mime {
        mime if is_message(mime) => Kind::Message,
        mime if mime.trim_start().to_ascii_lowercase().starts_with("text/") => Kind::Text,
        _ => Kind::Other,
    }
}

/// The type with the charset that its text is sent in, whatever it said before.
fn with_utf8(mime: &str) -> String {
    let mut parts = mime.split(';').map(str::trim);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for parameter in parts.filter(|parameter| !parameter.to_ascii_lowercase().starts_with("charset")) {
        whole += &format!("; {parameter}");
    }
    whole + "; charset=utf-8"
}

fn content_type(mime: &str) -> ContentType {
    ContentType::parse(mime).expect("types are checked before")
}

/// A mail inside a mail: with the line ends of mail, otherwise as it is.
fn mail_lines(source: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(source.len() + 64);
    for (n, byte) in source.iter().enumerate() {
        match byte {
            b'\n' if n == 0 || source[n - 1] != b'\r' => lines.extend_from_slice(b"\r\n"),
            b'\r' if source.get(n + 1) != Some(&b'\n') => lines.extend_from_slice(b"\r\n"),
            byte => lines.push(*byte),
        }
    }
    lines
}
