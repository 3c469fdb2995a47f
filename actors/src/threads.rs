//! The board's own threads: it needs nothing of the runtime that it is embedded in.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use actix::{Arbiter, System};
use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};

use crate::timers::{Timer, Timers};

/// How many sync functions of one queue backend run at once.
pub(crate) const BLOCKING_THREADS: usize = 32;

/// How many threads the pool has at most, for all backends: the bound of one must not be felt by another.
const MOST_THREADS: usize = 16 * BLOCKING_THREADS;

/// The threads that every board has; workers have one each besides.
#[derive(Debug)]
pub(crate) struct Threads {
    system: System,
    /// Where backend actors live and decide.
    pub(crate) coordination: ArbiterHandle,
    /// Where Hearts beat: a thread without any other traffic, so that a flood cannot stop them.
    pub(crate) heart: ArbiterHandle,
    /// The runtime of the heart's thread, which has all timers.
    pub(crate) timers: Handle,
    /// What they are to do, and when.
    plan: Timers,
    /// The bounded pool for sync functions. The runtime itself is never driven: it only owns the pool.
    blocking: Mutex<Option<Runtime>>,
    stopping: AtomicBool,
}

impl Threads {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        let blocking = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(MOST_THREADS)
            .thread_name("callboard-blocking")
            .thread_keep_alive(Duration::from_secs(10))
            .build()?;
        let (ready, started) = mpsc::channel();
        std::thread::Builder::new().name("callboard".into()).spawn(move || {
            let runner = System::new();
            let sent = runner.block_on(async {
                let heart = Arbiter::new().handle();
                let (tell, timers) = tokio::sync::oneshot::channel();
                heart.spawn(async move {
                    let _ = tell.send(Handle::current());
                });
                let timers = timers.await.expect("a fresh arbiter answers");
                ready.send((System::current(), Arbiter::current(), heart, timers)).is_ok()
            });
            if sent {
                let _ = runner.run();
            }
        })?;
        let (system, coordination, heart, timers) =
            started.recv().map_err(|_| io::Error::other("the coordination thread did not start"))?;
        let blocking = Mutex::new(Some(blocking));
        let plan = Timers::default();
        timers.spawn(plan.clone().run());
        Ok(Self { system, coordination, heart, timers, plan, blocking, stopping: AtomicBool::new(false) })
    }

    /// Runs a sync function on the pool; after [`stop`](Self::stop) it is dropped. Whether it was taken.
    pub(crate) fn run_blocking(&self, work: impl FnOnce() + Send + 'static) -> bool {
        match &*self.blocking.lock() {
            Some(pool) => {
                pool.spawn_blocking(work);
                true
            }
            None => false,
        }
    }

    /// Calls `work` after `pause`, on the timers' thread. The returned guard calls it off when dropped.
    pub(crate) fn after(&self, pause: Duration, work: impl FnOnce() + Send + 'static) -> Timer {
        self.plan.after(pause, work)
    }

    /// A new thread with an arbiter, to be made on the coordination thread so that it belongs to the board's system.
    pub(crate) fn another(&self) -> ArbiterHandle {
        let arbiter = Arbiter::new().handle();
        if self.are_stopping() {
            // The system stops those that it knew when it was told to; this one may be too late for that.
            arbiter.stop();
        }
        arbiter
    }

    /// Whether they have been told to stop.
    pub(crate) fn are_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Stops all of them without waiting; sync functions that run are left behind.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.system.stop();
        if let Some(pool) = self.blocking.lock().take() {
            pool.shutdown_background();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}
