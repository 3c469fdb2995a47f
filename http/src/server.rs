//! A server of its own for a board.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use callboard_actors::Callboard;

use crate::config::HttpConfig;
use crate::routes;
use crate::state::State;

/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may take to close.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A server for `board` on `listener`, to be awaited in an actix or tokio runtime; it listens once it is polled.
///
/// It installs no signal handlers: whoever runs it stops it through [`Server::handle`], after the board has begun
/// to shut down, so that long polls end and clients that come late are told to go elsewhere.
///
/// # Errors
///
/// If the listener cannot be used.
pub fn server(board: &Callboard, config: HttpConfig, listener: TcpListener) -> io::Result<Server> {
    serve(board, config, listener, routes::mount, |_| {})
}

/// The same with more routes, which come before those of the board. They have to look for themselves to whom they answer:
/// none of `config` is about them.
///
/// # Errors
///
/// If the listener cannot be used.
pub fn server_with(
    board: &Callboard,
    config: HttpConfig,
    listener: TcpListener,
    more: impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    serve(board, config, listener, routes::mount, more)
}

/// The same with `GET /healthz` and `GET /readyz` alone: for a worker process, which takes no calls. Whoever is not on
/// this machine learns what is well, and not why.
///
/// # Errors
///
/// If the listener cannot be used.
pub fn health_server(board: &Callboard, config: HttpConfig, listener: TcpListener) -> io::Result<Server> {
    serve(board, config, listener, routes::mount_health, |_| {})
}

fn serve(
    board: &Callboard,
    config: HttpConfig,
    listener: TcpListener,
    mount: fn(&mut web::ServiceConfig, &Arc<State>),
    more: impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let (workers, keep_alive, shutdown) = (config.workers, config.keep_alive, config.shutdown_timeout);
    let state = Arc::new(State::new(board, config));
    let mut server = HttpServer::new(move || {
        let state = Arc::clone(&state);
        App::new()
            .default_service(routes::default(&state))
            .configure(more.clone())
            .configure(move |cfg| mount(cfg, &state))
    })
    .keep_alive(keep_alive)
    .client_request_timeout(HEAD_TIME)
    .client_disconnect_timeout(CLOSE_TIME)
    // A client that has gone away must not be waited for until its long poll is over.
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .shutdown_timeout(shutdown.as_secs())
    .disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers.max(1));
    }
    Ok(server.listen(listener)?.run())
}

/// Whether a server may listen there. Without tokens it is open to whoever reaches it, so then only to its own
/// machine.
///
/// # Errors
///
/// What is wrong and the two ways out, if it is not.
pub fn refuse_open_bind(bind: SocketAddr, has_tokens: bool) -> Result<(), String> {
    if has_tokens || bind.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{bind} can be reached from other machines, and there are no tokens, so everybody there could enqueue tasks; \
         create one with `callboard token create` and name its file in `http.tokens_file`, or bind 127.0.0.1 (--bind)"
    ))
}
