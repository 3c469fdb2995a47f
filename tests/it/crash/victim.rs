//! The process that is killed: it enqueues more than it can run, and runs it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use callboard::{Callboard, Data, TaskContext, task, tasks};
use futures::future::join_all;

use super::log::{Log, Writer};
use super::place::Place;
use crate::support::{Folder, wait_until};

/// Where the victim finds what it is to do.
const ORDER: &str = "CALLBOARD_IT_VICTIM";

/// So short that a killed process is missed soon, and long enough for a machine that is busy.
pub const LEASE: Duration = Duration::from_millis(900);

/// Its effect on the world is two lines in a log.
#[task(name = "crash.effect", register = false)]
pub async fn effect(context: &TaskContext, log: Data<Writer>, n: u64) -> u64 {
    log.start(context.job_id(), context.run());
    tokio::time::sleep(Duration::from_millis(2 + n % 15)).await;
    log.end(context.job_id(), context.run());
    n
}

/// A board on that store that writes into that log.
pub async fn board(place: &Place, log: &Arc<Writer>, concurrency: usize) -> Callboard {
    let backend = place.backend().lease(LEASE).concurrency(concurrency);
    let builder = Callboard::builder().backend("default", backend).tasks(tasks![effect]);
    builder.data_arc(Arc::clone(log)).start().await.unwrap()
}

pub struct Victim {
    process: Child,
    log: std::path::PathBuf,
}

impl Victim {
    pub fn start(place: &Place, folder: &Folder, round: usize) -> Self {
        let log = Log::path(folder, round);
        let order = serde_json::to_string(&(place, &log)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["crash::victim::victim", "--exact", "--ignored"])
            .env(ORDER, order)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// Kills it after a pause from when so many attempts run, at a moment when they do.
    pub fn kill_while_running(mut self, running: usize, pause: Duration) {
        let busy = || (Log::read(&self.log).running() >= running).then_some(());
        wait_until("enough attempts run", busy);
        std::thread::sleep(pause);
        wait_until("enough attempts run at the kill", || {
            // While it stands still nothing can end between the look and the kill.
            self.signal("STOP");
            let now = busy();
            if now.is_none() {
                self.signal("CONT");
            }
            now
        });
        // SIGKILL, of which it learns nothing.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.process.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The victim itself. Without an order, as when all ignored tests are asked for, there is nothing to do.
#[test]
#[ignore = "a process of the tests of crashes, which start it"]
fn victim() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let (place, log): (Place, std::path::PathBuf) = serde_json::from_str(&order).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = Arc::new(Writer::open(&log));
        let board = board(&place, &log, 20).await;
        let producers = (0..16).map(async |first: u64| {
            for n in (first..).step_by(16) {
                // A lease may be lost while the machine is busy; the next call is as good.
                if let Ok(result) = board.enqueue(effect::with(n)).await {
                    // An answer is under way for a moment, as it is to whoever asks over a network; without that the
                    // time between commit and answer is so short that hardly a kill falls into it.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    log.answered(result.id());
                }
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        });
        join_all(producers).await;
    });
}
