//! Why a mail was not sent: at which step, for whose reason, and whether trying again may help.

use std::fmt;
use std::time::Duration;

use super::reply::Reply;

/// A mail that was not sent, or of which it is not known whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    /// Whether trying again may help.
    pub class: FailureClass,
    /// How far it had come.
    pub step: Step,
    /// What happened.
    pub detail: String,
    /// What the server answered, if it is the server's doing.
    pub reply: Option<Reply>,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureClass {
    /// The server cannot be reached, or broke off before it had the mail. The mail is as good as before.
    Unreachable,
    /// The server does not let this mailer in: a wrong password, no TLS where it is wanted. Somebody must mend it; the
    /// mail can wait.
    Setup,
    /// The server says: later.
    Temporary,
    /// The server says: never.
    Permanent,
    /// The mail cannot be sent to this server as it is: too large, or with bytes that it does not take.
    Unfit,
    /// The connection ended between the end of the mail and the server's answer: it may have the mail, or not.
    Ambiguous,
    /// The mailer is not sending now, for its pause or its rate; nothing was tried.
    Held(Duration),
}

/// How far the sending of a mail had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Before anything.
    Waiting,
    /// Finding and reaching the server.
    Connect,
    /// Its first words.
    Greeting,
    /// Saying who we are.
    Hello,
    /// Encrypting the connection.
    Tls,
    /// Logging in.
    Login,
    /// Naming the sender.
    Sender,
    /// Naming the recipients.
    Recipients,
    /// Asking to send the mail.
    Data,
    /// Sending the mail.
    Body,
    /// The server's answer to the mail.
    End,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "before sending",
            Self::Connect => "connecting",
            Self::Greeting => "waiting for the greeting",
            Self::Hello => "at EHLO",
            Self::Tls => "at STARTTLS",
            Self::Login => "at AUTH",
            Self::Sender => "at MAIL",
            Self::Recipients => "at RCPT",
            Self::Data => "at DATA",
            Self::Body => "sending the mail",
            Self::End => "after the end of the mail",
        })
    }
}

impl SendError {
    pub(in crate::mail) fn new(class: FailureClass, step: Step, detail: impl Into<String>) -> Self {
        Self { class, step, detail: detail.into(), reply: None }
    }

    /// The mailer holds mail back for that long.
    pub(in crate::mail) fn held(pause: Duration, why: impl Into<String>) -> Self {
        Self::new(FailureClass::Held(pause), Step::Waiting, why)
    }

    /// What an answer that is a no means at a step that is about one mail.
    pub(super) fn refused(step: Step, reply: Reply) -> Self {
        let class = if reply.is_temporary() { FailureClass::Temporary } else { FailureClass::Permanent };
        Self { class, step, detail: "the server refused".into(), reply: Some(reply) }
    }

    /// What an answer that is a no means at a step that is about the session.
    pub(super) fn not_let_in(step: Step, reply: Reply) -> Self {
        let class = if reply.is_temporary() { FailureClass::Temporary } else { FailureClass::Setup };
        Self { class, step, detail: "the server did not let us in".into(), reply: Some(reply) }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, step, detail, reply } = self;
        match class {
            FailureClass::Held(_) => return f.write_str(detail),
            FailureClass::Ambiguous => write!(f, "it is not known whether the mail was taken: ")?,
            _ => {}
        }
        write!(f, "{detail} {step}")?;
        match reply {
            Some(reply) => write!(f, ": {reply}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SendError {}
