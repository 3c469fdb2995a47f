//! How a server is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpOptions {
    /// Its name, or its address.
    pub host: String,
    /// Its port; [`SmtpOptions::new`] takes the usual one.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// A file with the certificates of those who vouch for the server; `None`: the roots of the system.
    pub ca_file: Option<PathBuf>,
    /// The name and the password to log in with.
    pub login: Option<(String, Password)>,
    /// What we call ourselves.
    pub hello: String,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// Connections at once; 4.
    pub connections: usize,
    /// Mails on one connection, after which it is closed; 100.
    pub mails_per_connection: usize,
    /// How long a connection may stay without a mail; 30 s.
    pub idle: Duration,
}

impl SmtpOptions {
    /// A server on its usual port: 587 with STARTTLS, which is wanted, or 25 without TLS if it is on this machine.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        let host = host.into();
        let tls = Tls::usual(&host);
        Self {
            host,
            port: tls.port(),
            tls,
            ca_file: None,
            login: None,
            hello: own_name(),
            deadlines: Deadlines::default(),
            connections: 4,
            mails_per_connection: 100,
            idle: Duration::from_secs(30),
        }
    }
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It begins in the open and is encrypted by STARTTLS; a server that does not offer that gets no mail.
    StartTls,
    /// It is encrypted from its beginning.
    Implicit,
    /// It is not.
    None,
}

impl Tls {
    /// What is usual with a server of that name: STARTTLS, and nothing on this machine.
    #[must_use]
    pub fn usual(host: &str) -> Self {
        if is_loopback(host) { Self::None } else { Self::StartTls }
    }

    /// The usual port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// Whether a name or an address is that of this machine.
pub(in crate::mail) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A password, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How long each step may take. None is without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Finding and reaching the server, and each TLS handshake; 10 s.
    pub connect: Duration,
    /// Its first words; 30 s.
    pub greeting: Duration,
    /// Each command; 30 s.
    pub command: Duration,
    /// Sending the mail; 60 s, and a second for each 64 KiB.
    pub body: Duration,
    /// The answer to the mail; 120 s. Servers scan the mail before they answer, and who gives up early sends it twice.
    pub end: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), greeting: seconds(30), command: seconds(30), body: seconds(60), end: seconds(120) }
    }
}

impl Deadlines {
    /// The same for each step.
    #[must_use]
    pub const fn all(limit: Duration) -> Self {
        Self { connect: limit, greeting: limit, command: limit, body: limit, end: limit }
    }
}

/// The name of this machine, as far as it can stand in an EHLO.
pub(in crate::mail) fn own_name() -> String {
    let known = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let name = known.map(|name| name.trim().to_ascii_lowercase()).unwrap_or_default();
    let part = |part: &str| {
        !part.is_empty() && part.len() <= 63 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() <= 255 && name.split('.').all(part) { name } else { "localhost".into() }
}
