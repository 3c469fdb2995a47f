//! Mail that comes back: reports of mail servers about mail that they took and could not deliver (RFC 3464).
//!
//! A server that takes a mail may find out later that nobody is there, and then writes to the address that the mail was sent
//! from. [`parse`] reads what it writes. With [`MailerOptions::bounces`](super::MailerOptions::bounces()) that address names
//! the mail it is about. The task [`take_bounce`](super::take_bounce) takes a report and enqueues a task of the program's
//! for each recipient who did not get a mail.
//!
//! What is in a report is what its sender says; anybody can write one.

mod mime;
mod report;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::report::parse;

/// What became of a mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    /// Whom the mail was for, as its sender wrote it if the report knows that.
    pub address: String,
    /// What happened.
    pub action: Action,
    /// Why, as numbers (RFC 3463): `5.1.1` is that there is no such mailbox.
    pub status: Status,
    /// What the server said that did not take it, if the report tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostic: Option<String>,
    /// The server that said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_mta: Option<String>,
    /// Which mail it was: the part of its Message-ID before the `@`, which is the id of its job where a job of `send_email` or
    /// `send_templated_email` sent it. It follows from the address that the report came to, else from what it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// The Message-ID of the mail with its brackets, if the report quotes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl Bounce {
    /// Whether the recipient did not get the mail, and would not get another one: it failed for good, and not because the
    /// mailbox was full or the network in trouble. Such addresses should get no more mail.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        let Status(class, subject, detail) = self.status;
        let may_pass = matches!((subject, detail), (2, 2) | (4, _));
        self.action == Action::Failed && class == 5 && !may_pass
    }
}

/// What happened to a mail for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It did not arrive, and will not.
    Failed,
    /// It did not arrive yet, and may.
    Delayed,
    /// It arrived.
    Delivered,
    /// It was given to a server that sends no reports.
    Relayed,
    /// It was given to several recipients.
    Expanded,
}

/// A status code of mail (RFC 3463): class, subject, detail. As text and as JSON it is `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16, pub u16, pub u16);

impl Status {
    /// The one at the start of a text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let mut numbers = word.split('.').map(str::parse::<u16>);
        let mut next = || numbers.next()?.ok();
        let status = Self(next()?, next()?, next()?);
        (numbers.next().is_none() && matches!(status.0, 2 | 4 | 5)).then_some(status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("{text:?} is no status; write one such as \"5.1.1\""));
        Self::read(&text).ok_or_else(wrong)
    }
}

/// A mail that is no report about mail, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no report of delivery: {0}")]
pub struct NotABounce(pub String);

/// The address that reports about a mail are to come to: `bounce+0193…@example.com`.
pub(super) fn return_address(bounces: &str, message_id: &str) -> Option<String> {
    let (local, domain) = bounces.rsplit_once('@')?;
    Some(format!("{local}+{}@{domain}", token(message_id)))
}

/// What stands for a mail in such an address: the left side of its Message-ID; of one that does not fit there, a digest.
fn token(message_id: &str) -> String {
    let left = left_of(message_id);
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let fits = !left.is_empty() && left.len() <= MAX_TOKEN && left.bytes().all(good) && !left.contains("..");
    if fits && !left.starts_with('.') && !left.ends_with('.') {
        left.to_owned()
    } else {
        super::spool::sha256(message_id.as_bytes())[..32].to_owned()
    }
}

fn left_of(message_id: &str) -> &str {
    let bare = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    bare.rsplit_once('@').map_or(bare, |(left, _)| left)
}

/// The longest token: an id of a job has 36 characters.
const MAX_TOKEN: usize = 40;

/// How long the part before the `@` of the address for reports may be: with a token behind it, it has at most 64.
pub(super) const MAX_LOCAL: usize = 64 - MAX_TOKEN - 1;
