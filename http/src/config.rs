//! What a front end can be told.

use std::time::Duration;

use crate::access::{Network, RateLimit, Token};
use crate::csp::Collector;
use crate::quota::Quota;

/// How the front end behaves. The default suits a server of one machine: loopback callers only, no tokens.
///
/// ```
/// use callboard_http::HttpConfig;
///
/// let config = HttpConfig { hosts: vec!["tasks.example.com".into()], ..HttpConfig::default() };
/// ```
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Names in the Host header that this server answers for besides `127.0.0.1`, `[::1]` and `localhost`; an
    /// entry without a port stands for all ports. Only matters without tokens.
    pub hosts: Vec<String>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Bearer tokens. Empty: none is needed, and [`guard`](Self::guard) says who may come in.
    pub tokens: Vec<Token>,
    /// Who may come in while there are no tokens.
    pub guard: Guard,
    /// Refuses every method that changes something (403).
    pub read_only: bool,
    /// How many requests are taken from the holder of a token, or without one from an address; `None`: any number.
    pub rate_limit: Option<RateLimit>,
    /// Where reports to `POST /csp/reports` go. `None`: they are counted and logged.
    pub csp_reports: Option<Collector>,
    /// How much each token may ask for in an hour.
    pub quotas: Vec<Quota>,
    /// How much a request may ask for.
    pub limits: Limits,
    /// HTTP threads of [`server`](crate::server()); `None` is one for each core.
    pub workers: Option<usize>,
    /// How long a connection may stay open between two requests.
    pub keep_alive: Duration,
    /// How long requests under way may take once the server was told to stop, in whole seconds. Long polls end
    /// by themselves when the board drains.
    pub shutdown_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            tokens: Vec::new(),
            guard: Guard::default(),
            read_only: false,
            rate_limit: None,
            csp_reports: None,
            quotas: Vec::new(),
            limits: Limits::default(),
            workers: None,
            keep_alive: Duration::from_secs(75),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// Who may come in while there are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Programs of this machine: loopback peers that call it by a loopback name or one of
    /// [`hosts`](HttpConfig::hosts).
    #[default]
    Loopback,
    /// Everyone whom the application lets through: for routes mounted behind its own middleware. Requests from
    /// pages of other sites are refused all the same, and tracebacks are not shown.
    Application,
}

/// How much a request may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes; 1 MiB.
    pub body: usize,
    /// The largest body of `POST /enqueue/batch`, in bytes; 8 MiB.
    pub batch_body: usize,
    /// How long a body may take to arrive, besides one second for each 64 KiB of it; 10 s.
    pub body_time: Duration,
    /// The longest that a request waits for a task; longer wishes are cut to it; 30 s.
    pub wait: Duration,
    /// How many streams of events may be open at once; 1,000.
    pub streams: usize,
}

impl Limits {
    /// The same for a batch, whose body may be larger.
    pub(crate) fn for_batch(self) -> Self {
        Self { body: self.batch_body, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            batch_body: 8 * 1024 * 1024,
            body_time: Duration::from_secs(10),
            wait: Duration::from_secs(30),
            streams: 1_000,
        }
    }
}
