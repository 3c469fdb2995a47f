//! The signals that stop a server: the first one in good order, the second one at once.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::oneshot;

/// The code of a server that did not wait for its tasks.
const AT_ONCE: i32 = 1;

/// A signal this soon after the first one is the same wish said twice: wrappers such as `timeout` signal the process
/// and then its group, a terminal and a supervisor may both pass Ctrl-C on.
const ECHO: Duration = Duration::from_secs(1);

/// Listens from now on. Ends with the first signal; one that comes more than a second later ends the process.
pub(super) fn first() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    let (tell, told) = oneshot::channel();
    actix_web::rt::spawn(async move {
        let signal = signals.next().await;
        tracing::info!("{signal} received: shutting down, another one after {ECHO:?} ends the process at once");
        // Nobody is waiting any more if the server ended by itself.
        let _ = tell.send(());
        let signal = signals.next_after(ECHO).await;
        tracing::warn!("{signal} received again: leaving without waiting for tasks");
        std::process::exit(AT_ONCE);
    });
    Ok(async move {
        // The task above ends only with the process.
        let _ = told.await;
    })
}

impl Signals {
    /// The first signal that comes after this pause; those within it are heard and ignored.
    async fn next_after(&mut self, pause: Duration) -> &'static str {
        let pause = tokio::time::sleep(pause);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                // A signal that came within the pause must not be taken for one after it.
                biased;
                signal = self.next() => tracing::debug!("{signal} received again at once: ignored"),
                () = &mut pause => break,
            }
        }
        self.next().await
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: actix_web::rt::signal::unix::Signal,
    terminate: actix_web::rt::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use actix_web::rt::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // Where Ctrl-C cannot be heard, nothing stops the server but the system.
        if actix_web::rt::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
