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
pub mod bounce;
mod build;
mod built;
mod check;
mod delivery;
mod dkim;
mod email;
mod error;
mod files;
mod guard;
mod header;
mod home;
mod local;
mod mailer;
mod mailers;
mod options;
mod prepare;
#[cfg(feature = "http")]
mod preview;
mod rate;
mod smtp;
mod spool;
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
pub use self::dkim::Dkim;
pub use self::email::{Email, Unsubscribe};
pub use self::error::{InvalidMail, InvalidMailer, MailError, MailProblem};
pub use self::files::FileArg;
pub use self::mailer::Mailer;
pub use self::mailers::{MailerHealth, Mailers, MailersBuilder};
pub use self::options::{Ambiguous, MailerOptions, Rate, Transport};
#[cfg(feature = "http")]
pub(crate) use self::preview::AT as PREVIEWS_AT;
#[cfg(feature = "http")]
pub use self::preview::Previews;
#[cfg(feature = "cli")]
pub(crate) use self::preview::values_beside;
pub use self::smtp::{Deadlines, FailureClass, Password, Reply, SendError, SmtpOptions, Step, Tls};
pub use self::spool::Spooled;
#[cfg(feature = "http")]
pub use self::tasks::recipients_quota;
pub use self::tasks::{Recipients, Render, send_email, send_message, send_templated_email, take_bounce};
pub use self::template::{Rendered, check_templates, render};
pub use self::text_from_html::text_from_html;
