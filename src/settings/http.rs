//! `[http]`: where the front end listens, and who may come in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use callboard_http::{HttpConfig, Limits, Network, RateLimit, Token};
use callboard_tasks::parse_duration;

use super::section::Section;
use super::tokens;
use super::tree::Place;

/// Where the front end listens unless told otherwise.
const BIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Where the front end listens, and who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The address to listen on; port 0 lets the system choose. Unless said: `127.0.0.1:8000`.
    pub bind: SocketAddr,
    /// The tokens of the file that `tokens_file` names; empty without one.
    pub tokens: Vec<Token>,
    /// Names in the Host header that are answered for besides the loopback ones.
    pub hosts: Vec<String>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// How many recipients of mail a token may name in an hour; `None` is any number.
    pub mail_recipients_per_hour: Option<u32>,
    /// How many requests are taken from the holder of a token, or without one from an address; `None`: any number.
    pub rate_limit: Option<RateLimit>,
    /// The longest that a request waits for a task; 30 s unless said.
    pub longest_wait: Duration,
    /// Whether nothing may be changed over HTTP.
    pub read_only: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            bind: BIND,
            tokens: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            mail_recipients_per_hour: None,
            rate_limit: None,
            longest_wait: Limits::default().wait,
            read_only: false,
        }
    }
}

impl From<HttpSettings> for HttpConfig {
    fn from(settings: HttpSettings) -> Self {
        let HttpSettings {
            bind: _,
            tokens,
            hosts,
            trusted_proxies,
            rate_limit,
            longest_wait,
            read_only,
            mail_recipients_per_hour,
        } = settings;
        #[cfg(feature = "mail")]
        let quotas = mail_recipients_per_hour.map(crate::mail::recipients_quota).into_iter().collect();
        #[cfg(not(feature = "mail"))]
        let quotas = mail_recipients_per_hour.map(|_| Vec::new()).unwrap_or_default();
        let limits = Limits { wait: longest_wait, ..Limits::default() };
        Self { tokens, hosts, trusted_proxies, rate_limit, limits, read_only, quotas, ..Self::default() }
    }
}

/// Reads the table; a file that it names stands in `folder` unless its path is absolute.
pub(super) fn read(mut http: Section<'_>, folder: &Path) -> HttpSettings {
    let mut settings = HttpSettings::default();
    if let Some(bind) = http.read("bind", "127.0.0.1:8000", address) {
        settings.bind = bind.value;
    }
    if let Some(file) = http.text("tokens_file", "tokens.toml") {
        // A variable is set by somebody who stands in the working directory, not beside the settings file.
        let path = if matches!(file.place, Place::Variable(_)) {
            PathBuf::from(&file.value)
        } else {
            folder.join(&file.value)
        };
        settings.tokens = tokens::read(&http, &file, &path);
    }
    for name in http.texts("hosts", "[\"tasks.example.com\"]").unwrap_or_default() {
        match host(&name.value) {
            Ok(()) => settings.hosts.push(name.value),
            Err(problem) => http.note(name.problem(problem)),
        }
    }
    for proxy in http.texts("trusted_proxies", "[\"10.0.0.7\"]").unwrap_or_default() {
        match proxy.value.parse::<Network>() {
            Ok(network) => settings.trusted_proxies.push(network),
            Err(problem) => http.note(proxy.problem(format!("is wrong: {problem}"))),
        }
    }
    settings.mail_recipients_per_hour =
        http.number("mail_recipients_per_hour", 1..=1_000_000_000).and_then(|number| u32::try_from(number.value).ok());
    if let Some(rate) = http.read("rate_limit", "100/1m", str::parse::<RateLimit>) {
        settings.rate_limit = Some(rate.value);
    }
    if let Some(wait) = http.read("longest_wait", "30s", longest_wait) {
        settings.longest_wait = wait.value;
    }
    if let Some(read_only) = http.flag("read_only") {
        settings.read_only = read_only.value;
    }
    http.finish();
    settings
}

/// A time of at most 30 s, which is what clients are promised.
fn longest_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    if wait > Limits::default().wait { Err(format!("{text:?} is longer than 30s")) } else { Ok(wait) }
}

/// An address with its port; `localhost` is 127.0.0.1.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let written = text.trim();
    let numeric = match written.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => written.to_owned(),
    };
    numeric.parse().map_err(|_| format!("{text:?} is no address with a port; write for example \"127.0.0.1:8000\""))
}

/// A name as it stands in a Host header, with or without a port.
fn host(text: &str) -> Result<(), String> {
    let wrong = || Err(format!("is {text:?}; write a name as in \"tasks.example.com\", with or without a port"));
    let known = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || !text.chars().all(known) { wrong() } else { Ok(()) }
}
