//! Mail: messages, mailers, templates, and the tasks that send.
//!
//! ```text
//! Email ──build──► Message (bytes, envelope) ──task──► job ──attempt──► Deliver ──► Mailer actor ──► server
//! welcome.email ─render─► Email                                                     pool, rate, pause
//! ```
//!
//! An [`Email`] is what its author writes, a [`Message`] what travels. A [`Mailer`] sends it now, or makes a
//! [`Call`](crate::Call) of it, which a board keeps, runs and tries again; each attempt sends the same bytes. The guide is
//! `docs/mail.md`.

mod actor;
mod address;
mod attachment;
mod board;
mod build;
mod built;
mod check;
mod delivery;
mod email;
mod error;
mod guard;
mod header;
mod home;
mod local;
mod mailer;
mod mailers;
mod options;
#[cfg(feature = "http")]
mod preview;
mod rate;
mod smtp;
mod tasks;
mod template;
#[cfg(test)]
mod tests;
mod text_from_html;

pub use self::actor::Deliver;
pub use self::address::{Address, IntoAddresses};
pub use self::attachment::Attachment;
pub use self::board::WithMail;
pub use self::built::{Identity, Message, Source};
pub use self::delivery::{Delivery, Refusal};
pub use self::email::{Email, Unsubscribe};
pub use self::error::{InvalidMail, InvalidMailer, MailError, MailProblem};
pub use self::mailer::Mailer;
pub use self::mailers::{MailerHealth, Mailers, MailersBuilder};
pub use self::options::{Ambiguous, MailerOptions, Rate, Transport};
#[cfg(feature = "http")]
pub use self::preview::Previews;
pub use self::smtp::{Deadlines, FailureClass, Password, Reply, SendError, SmtpOptions, Step, Tls};
#[cfg(feature = "http")]
pub use self::tasks::recipients_quota;
pub use self::tasks::{Recipients, send_email, send_message, send_templated_email};
pub use self::template::{Rendered, check_templates, render};
pub use self::text_from_html::text_from_html;
