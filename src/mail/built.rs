//! A mail as it travels: its bytes, and whom servers are told it is from and to.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callboard_tasks::{Clock, JobId};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What makes a mail this one and no other: its name for ever, and its time.
///
/// Mail is built from its [`Email`](super::Email) and an identity by a pure function, so that each attempt to send it
/// sends the same bytes, and a receiver that gets it twice can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The Message-ID, with its brackets.
    pub message_id: String,
    /// The Date.
    pub date: Timestamp,
}

impl Identity {
    /// That of the mail which a job sends.
    #[must_use]
    pub fn of_job(id: JobId, enqueued_at: Timestamp, domain: &str) -> Self {
        Self { message_id: format!("<{id}@{domain}>"), date: enqueued_at }
    }

    /// One of its own.
    #[must_use]
    pub fn fresh(clock: &Clock, domain: &str) -> Self {
        let now = clock.now();
        Self::of_job(JobId::new(now), now, domain)
    }
}

/// A mail that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The address that servers report to, bare.
    pub from: String,
    /// Whom it goes to, bare addresses, each once.
    pub to: Vec<String>,
    /// Its Message-ID, with brackets.
    pub message_id: String,
    /// Its bytes.
    pub source: Source,
}

/// The bytes of a mail, with the line ends of mail. As JSON they are a text, or base64 where they are none.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Vec<u8>);

impl Source {
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, with a mark for each that is none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Whether there is any byte beyond ASCII, which not every server takes.
    #[must_use]
    pub fn is_8bit(&self) -> bool {
        !self.0.is_ascii()
    }
}

/// The source may be long and is personal; what is printed may be logged.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.0.len())
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => to.serialize_str(text),
            Err(_) => Encoded { base64: STANDARD.encode(&self.0) }.serialize(to),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Encoded(Encoded),
        }
        match Either::deserialize(from)? {
            Either::Text(text) => Ok(Self(text.into_bytes())),
            Either::Encoded(Encoded { base64 }) => STANDARD
                .decode(base64)
                .map(Self)
                .map_err(|error| serde::de::Error::custom(format!("no base64: {error}"))),
        }
    }
}
