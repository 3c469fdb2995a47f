//! What became of a mail.

use serde::{Deserialize, Serialize};

use super::built::Message;
use super::smtp::Reply;

/// What became of a mail that was taken: the value that mail tasks return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The Message-ID.
    pub message_id: String,
    /// The recipients that the server took.
    pub accepted: Vec<String>,
    /// Those that it refused for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Those that it wants to be asked about later. A mail task enqueues another job for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<Refusal>,
    /// What the server answered to the mail; often it has the server's name for it.
    pub reply: Reply,
}

/// A recipient that a server did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The recipient.
    pub address: String,
    /// What the server said.
    pub reply: Reply,
}

impl Delivery {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            message_id: message.message_id.clone(),
            accepted: Vec::new(),
            refused: Vec::new(),
            deferred: Vec::new(),
            reply: Reply { code: 250, text: "OK".into() },
        }
    }

    /// The delivery of a mail to all of its recipients by a mailer that asks nobody.
    pub(super) fn whole(message: &Message) -> Self {
        Self { accepted: message.to.clone(), ..Self::of(message) }
    }
}
