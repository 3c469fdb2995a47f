//! Keeps the hot tables short and the pool small.
//!
//! A claim starts at the head of the line, where the index holds the dead entries of all jobs that were claimed before.
//! The server sweeps them once a minute at best, by which time there may be millions, each to be stepped over by each
//! claim; so the process that moves the rows sweeps too. It takes a moment, and others go on meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::core::{Core, IDLE, in_time};
use super::fault::Fault;

/// So many moved rows are swept at once,
pub(super) const MANY: usize = 20_000;
/// and so many now and then.
const SOME: usize = 1_000;
/// After a sweep there is none for so many times as long as it took.
const REST: u32 = 10;

pub(super) async fn upkeep(core: Arc<Core>) {
    loop {
        let many = timeout(IDLE / 2, core.sweep.notified()).await.is_ok();
        core.pool.retain(|_, metrics| metrics.last_used() < IDLE);
        let moved = core.moved.load(Ordering::Relaxed);
        // Under a test's clock every statement is within a transaction, where nothing can be swept.
        if core.clock.is_manual() || moved < if many { MANY } else { SOME } {
            continue;
        }
        core.moved.fetch_sub(moved, Ordering::Relaxed);
        let begin = Instant::now();
        if let Err(fault) = sweep(&core).await {
            tracing::debug!("the hot tables could not be swept: {fault:?}");
        }
        sleep((begin.elapsed() * REST).max(Duration::from_millis(20))).await;
    }
}

async fn sweep(core: &Core) -> Result<(), Fault> {
    let s = &core.schema;
    let text =
        format!("VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0) {s}.waiting, {s}.running, {s}.tally");
    // A sweep that takes long goes on by itself; the connection is left to it.
    core.pooled(Duration::ZERO, async |client| in_time(client.batch_execute(&text)).await).await
}
