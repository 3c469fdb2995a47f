//! A file that goes with a mail, or an image inside of it.

use std::io;
use std::path::Path;

use super::check;

/// A file that goes with a mail.
///
/// ```
/// use callboard::mail::Attachment;
///
/// let invoice = Attachment::new("invoice.pdf", b"%PDF-1.7 ...".to_vec());
/// assert_eq!(invoice.mime_type(), "application/pdf");
/// // An image that the HTML shows as <img src="cid:logo@shop">:
/// let logo = Attachment::inline("logo@shop", b"\x89PNG...".to_vec()).mime("image/png");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The name that it is saved under; `None` for an inline part without one.
    pub name: Option<String>,
    /// Its bytes; they may be none.
    pub content: Vec<u8>,
    /// Its type; `None`: what its name says, else `application/octet-stream`.
    pub mime: Option<String>,
    /// The name by which the HTML shows it (`cid:…`), without brackets; `None` for a file that is only attached.
    pub content_id: Option<String>,
}

impl Attachment {
    /// A file of that name. Its type follows from the ending of its name, unless [`mime`](Self::mime) says it.
    #[must_use]
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: Some(name.into()), content: content.into(), mime: None, content_id: None }
    }

    /// A part that the HTML shows by `cid:` and this id.
    #[must_use]
    pub fn inline(content_id: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: None, content: content.into(), mime: None, content_id: Some(content_id.into()) }
    }

    /// A whole mail as an attachment, `message/rfc822`.
    #[must_use]
    pub fn message(name: impl Into<String>, source: impl Into<Vec<u8>>) -> Self {
        Self::new(name, source).mime("message/rfc822")
    }

    /// The file at that path, under its own name.
    ///
    /// # Errors
    ///
    /// As reading the file.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a name"))?;
        Ok(Self::new(name.to_string_lossy(), std::fs::read(path)?))
    }

    /// Says its type, such as `text/calendar; method=REQUEST`.
    #[must_use]
    pub fn mime(mut self, mime: impl Into<String>) -> Self {
        self.mime = Some(mime.into());
        self
    }

    /// Gives an inline part a name to be saved under.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The type that it is sent with; text that is not UTF-8 goes as `application/octet-stream`.
    #[must_use]
    pub fn mime_type(&self) -> String {
        let mime = self.mime.clone().unwrap_or_else(|| guess(self.name.as_deref().unwrap_or_default()));
        let is_text = mime.to_ascii_lowercase().starts_with("text/");
        if is_text && std::str::from_utf8(&self.content).is_err() { OCTETS.into() } else { mime }
    }

    /// What is wrong with it, after its name.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.name {
            check::line(name).map_err(|problem| format!("has a name that {problem}"))?;
            if name.is_empty() || name.len() > 255 {
                return Err("has a name that is empty or longer than 255 bytes; give it a usual one".into());
            }
        }
        if let Some(id) = &self.content_id {
            let good = |b: u8| (33..=126).contains(&b) && !b"<>()\",;\\".contains(&b);
            if id.is_empty() || id.len() > 200 || !id.bytes().all(good) {
                return Err(format!(
                    "has the content id {id:?}; write letters, digits, dots and one @, without brackets"
                ));
            }
        }
        check_mime(&self.mime_type())?;
        if is_message(&self.mime_type()) {
            if self.content.contains(&0) {
                return Err("is a mail with a NUL character in it".into());
            }
            if self.content.split(|b| *b == b'\n').any(|line| line.len() > check::MAX_LINE + 1) {
                return Err(format!("is a mail with a line of more than {} bytes", check::MAX_LINE));
            }
        }
        Ok(())
    }
}

const OCTETS: &str = "application/octet-stream";

/// The type that the ending of a name stands for.
fn guess(name: &str) -> String {
    mime_guess::from_path(name).first_raw().unwrap_or(OCTETS).to_owned()
}

/// Whether a type is that of a whole mail.
pub(super) fn is_message(mime: &str) -> bool {
    mime.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("message/rfc822")
}

/// Whether a text is a type.
pub(super) fn check_mime(mime: &str) -> Result<(), String> {
    check::line(mime).map_err(|problem| format!("has a type that {problem}"))?;
    let bare = mime.split(';').next().unwrap_or_default().trim();
    let has_both = bare.split_once('/').is_some_and(|(kind, subkind)| !kind.is_empty() && !subkind.is_empty());
    let is_good = mime.is_ascii() && has_both && lettre::message::header::ContentType::parse(mime).is_ok();
    let is_multipart = mime.trim_start().to_ascii_lowercase().starts_with("multipart/");
    if is_good && !is_multipart {
        return Ok(());
    }
    Err(format!("has the type {mime:?}; write one such as \"application/pdf\""))
}
