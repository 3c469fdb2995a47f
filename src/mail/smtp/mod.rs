//! SMTP: a session with a server, one mail after the other, with a deadline for each step and an answer for each
//! recipient. What follows from a failure is decided in `verdict.rs`.

mod connection;
mod error;
mod options;
mod reply;
mod session;
mod tls;
pub(super) mod verdict;

pub use self::error::{FailureClass, SendError, Step};
pub(super) use self::options::own_name;
pub use self::options::{Deadlines, Password, SmtpOptions, Tls};
pub use self::reply::Reply;
pub(super) use self::session::{Session, is_usable_after};
pub(super) use self::tls::{Connector, connector};
