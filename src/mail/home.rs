//! The thread that all mailers of a set share. It waits for networks nearly all the time.

use std::io;
use std::sync::mpsc;

use actix::{Arbiter, System};
use actix_rt::ArbiterHandle;

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Home {
    system: System,
    pub(super) arbiter: ArbiterHandle,
}

impl Home {
    pub(super) fn start() -> io::Result<Self> {
        let (ready, started) = mpsc::channel();
        std::thread::Builder::new().name("callboard-mail".into()).spawn(move || {
            let runner = System::new();
            let sent = runner.block_on(async { ready.send((System::current(), Arbiter::current())).is_ok() });
            if sent {
                let _ = runner.run();
            }
        })?;
        let (system, arbiter) = started.recv().map_err(|_| io::Error::other("the thread for mail did not start"))?;
        Ok(Self { system, arbiter })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.system.stop();
    }
}
