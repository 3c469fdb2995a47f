//! The only place that joins the parts: a board, its settings and its front end become a running server.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
#[cfg(feature = "mail")]
use std::path::PathBuf;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use callboard_actors::{Builder, Callboard, StartError};
use callboard_http::HttpConfig;
pub use callboard_http::refuse_open_bind;
use tracing::{info, warn};

use crate::Settings;

/// How long answers that are under way may take once the board has drained.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// A server that has started, as [`run`] announces it.
#[derive(Debug, Clone)]
pub struct Started {
    /// The address it listens on, with the port that the system chose.
    pub address: SocketAddr,
    /// Whether requests need a token; if not, it is open to its own machine.
    pub has_tokens: bool,
    /// The tasks that it can run, by full name.
    pub tasks: Vec<&'static str>,
}

impl Started {
    /// Where this machine reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }
}

/// Why a server did not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The address is open to other machines, and there are no tokens.
    #[error("{0}")]
    OpenBind(String),
    /// The address is not to be had.
    #[error("{address} cannot be listened on{}", in_use(.source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The board did not start.
    #[error("the board does not start")]
    Start(#[from] StartError),
    /// The front end failed.
    #[error("the front end failed")]
    Http(#[source] io::Error),
}

fn in_use(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another program does already; choose another address with --bind",
        _ => "",
    }
}

/// Runs a server: the board of `builder`, as the settings say, behind the front end. Returns after `shutdown` has
/// ended and everything has stopped in good order: it is not ready any more, and goes on for the
/// [delay](Settings::drain_delay) of the settings; then, while running attempts get their time, the front end still answers
/// questions and refuses new calls; then it closes.
///
/// A store that cannot be reached yet is waited for; one that is not in order is an error.
///
/// It must be awaited in an actix system, for instance in `actix_web::rt::System::new().block_on(..)`.
///
/// # Errors
///
/// [`RunError`]; nothing is left running then.
pub async fn run(
    builder: Builder,
    settings: Settings,
    announce: impl FnOnce(&Started),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    raise_file_limit();
    let has_tokens = !settings.http.tokens.is_empty();
    // The door first: without it, no job should have been started for nothing.
    let listener = listen(settings.http.bind, has_tokens)?;
    let address = listener.local_addr().map_err(RunError::Http)?;
    let config = HttpConfig { shutdown_timeout: LAST_ANSWERS, ..settings.http.clone().into() };
    let drain_delay = settings.drain_delay;
    if let Some(file) = &settings.file {
        info!(file = %file.display(), "settings read");
    }
    #[cfg(feature = "mail")]
    let previews_of = settings.mail.previews.then(|| settings.mail.templates.clone()).flatten();
    let builder = builder.settings(settings);
    #[cfg(feature = "mail")]
    let more = previews(&builder, previews_of, address);
    #[cfg(not(feature = "mail"))]
    let more = |_: &mut ServiceConfig| {};
    tokio::pin!(shutdown);
    // A server may come up before its database; it can still be told to stop while it waits for that.
    let board = tokio::select! {
        board = builder.patient().start() => board?,
        () = &mut shutdown => return Ok(()),
    };
    let announce = || announce(&started(&board, address, has_tokens));
    let served = serve(&board, config, listener, more, announce, shutdown).await;
    if served.is_ok() {
        announce_leaving(&board, drain_delay).await;
    }
    // A front end that broke down is no reason to break off what runs.
    drain(&board).await;
    let handle = served?;
    handle.stop(true).await;
    info!("front end closed");
    Ok(())
}

/// What a worker process does besides running tasks.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerOptions {
    /// It leaves when nothing that is due is left to it.
    pub drain: bool,
    /// Where `GET /healthz` and `GET /readyz` answer; nowhere unless said.
    pub health: Option<SocketAddr>,
}

/// A worker process that has started, as [`work`] announces it.
#[derive(Debug, Clone)]
pub struct Working {
    /// Where it can be asked how it is.
    pub health: Option<SocketAddr>,
    /// The tasks that it can run, by full name.
    pub tasks: Vec<&'static str>,
}

/// Runs a worker process: the board of `builder` without a front end. Returns after `shutdown` has ended, or after the
/// board has done its share ([`Builder::max_tasks`]), or, if it is to drain, when nothing that is due is left; and then
/// everything has stopped in good order.
///
/// A store that cannot be reached yet is waited for; one that is not in order is an error. It must be awaited in an actix
/// system.
///
/// # Errors
///
/// [`RunError`]; nothing is left running then.
pub async fn work(
    builder: Builder,
    options: WorkerOptions,
    announce: impl FnOnce(&Working),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let bind = |address| TcpListener::bind(address).map_err(|source| RunError::Bind { address, source });
    let listener = options.health.map(bind).transpose()?;
    let health = listener.as_ref().map(TcpListener::local_addr).transpose().map_err(RunError::Http)?;
    tokio::pin!(shutdown);
    let board = tokio::select! {
        board = builder.patient().start() => board?,
        () = &mut shutdown => return Ok(()),
    };
    let config = HttpConfig { workers: Some(1), shutdown_timeout: LAST_ANSWERS, ..HttpConfig::default() };
    let server = listener.map(|listener| callboard_http::health_server(&board, config, listener)).transpose();
    let server = server.map_err(RunError::Http)?;
    let handle = server.as_ref().map(actix_web::dev::Server::handle);
    if let Some(server) = server {
        actix_web::rt::spawn(server);
    }
    announce(&Working { health, tasks: board.registry().iter().map(|task| task.name).collect() });
    tokio::select! {
        () = &mut shutdown => {}
        () = until_done(&board, options.drain) => info!("nothing is left to do"),
    }
    drain(&board).await;
    if let Some(handle) = handle {
        handle.stop(true).await;
    }
    Ok(())
}

/// Ends when the board has done its share or, if it is to drain, when nothing that is due is left to it.
async fn until_done(board: &Callboard, drain: bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    if drain {
        return board.until_idle().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if board.has_done_its_share() {
            board.until_idle().await;
            // What went back meanwhile is no part of the share.
            if board.has_done_its_share() {
                return;
            }
        }
    }
}

/// Each connection is an open file, and many systems allow a thousand unless one asks for more.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(most) => info!(most, "open files are limited to so many"),
        Err(error) => warn!(%error, "the limit of open files could not be raised"),
    }
}

/// The pages that show the mail of a folder of templates, beside what the program itself shows; none without a folder.
#[cfg(feature = "mail")]
fn previews(
    builder: &Builder,
    folder: Option<PathBuf>,
    address: SocketAddr,
) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    use crate::mail::{Mailers, Previews};
    let known = || builder.given::<Previews>().map(|previews| Previews::clone(&previews));
    let of_mailers = || {
        let mailers = builder.given::<Mailers>()?;
        let alias = if mailers.contains("default") { "default" } else { mailers.aliases().next()? };
        mailers.get(alias).ok().map(|mailer| Previews::new(&mailer))
    };
    let previews = folder.and_then(|folder| Some(known().or_else(of_mailers)?.folder(folder)));
    if previews.is_some() {
        warn!("mail can be looked at on http://{address}{}, which is for development", crate::mail::PREVIEWS_AT);
    }
    move |config: &mut ServiceConfig| {
        if let Some(previews) = previews {
            previews.routes()(config);
        }
    }
}

fn listen(address: SocketAddr, has_tokens: bool) -> Result<TcpListener, RunError> {
    refuse_open_bind(address, has_tokens).map_err(RunError::OpenBind)?;
    TcpListener::bind(address).map_err(|source| RunError::Bind { address, source })
}

fn started(board: &Callboard, address: SocketAddr, has_tokens: bool) -> Started {
    Started { address, has_tokens, tasks: board.registry().iter().map(|task| task.name).collect() }
}

/// Serves until `shutdown`; the front end goes on until its handle stops it.
async fn serve(
    board: &Callboard,
    config: HttpConfig,
    listener: TcpListener,
    more: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static,
    announce: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<ServerHandle, RunError> {
    let server = callboard_http::server_with(board, config, listener, more).map_err(RunError::Http)?;
    let handle = server.handle();
    let mut server = actix_web::rt::spawn(server);
    announce();
    tokio::select! {
        () = shutdown => Ok(handle),
        ended = &mut server => Err(RunError::Http(match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => io::Error::other("it ended without being told to"),
            Err(error) => io::Error::other(error),
        })),
    }
}

/// Is not ready any more, and goes on for as long as others need to notice.
async fn announce_leaving(board: &Callboard, delay: Duration) {
    board.announce_shutdown();
    if delay > Duration::ZERO {
        info!(?delay, "not ready any more: calls are still taken");
        tokio::time::sleep(delay).await;
    }
}

/// Lets what runs end; the board itself says how it went.
async fn drain(board: &Callboard) {
    let running: usize = board.health().await.backends.iter().map(|backend| backend.running).sum();
    info!(running, "draining: no more calls are taken");
    let abandoned = board.shutdown().await.abandoned;
    if abandoned > 0 {
        warn!(abandoned, "attempts did not stop in time, and end with the process");
    }
}
