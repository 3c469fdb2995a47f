//! Keeps the hot tables short and the pool small.
//!
//! A claim starts at the head of the line, where the index holds the dead entries of all jobs that were claimed before.
//! The server sweeps them once a minute at best, by which time there may be millions, each to be stepped over by each
//! claim; so the process that moves the rows sweeps too. It takes a moment, and others go on meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_tasks::Heard;
use tokio::time::{Instant, sleep, timeout};

use super::core::{Core, IDLE, in_time};
use super::fault::Fault;
use super::heads::Columns;

/// So many moved rows are swept at once,
pub(super) const MANY: usize = 20_000;
/// and so many now and then.
const SOME: usize = 1_000;
/// Heads are looked for again after so long, and after so many times as long as the look took.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_REST: u32 = 20;
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

/// Looks for heads when claims stumble over dead entries, and again while there are any: whether something has come to
/// stand before them, and whether they are still needed.
pub(super) async fn look_for_heads(core: Arc<Core>) {
    loop {
        core.stumbled.notified().await;
        loop {
            let begin = Instant::now();
            if let Err(fault) = heads(&core).await {
                tracing::debug!("it could not be looked where the lines begin: {fault:?}");
            }
            sleep((begin.elapsed() * LOOK_REST).max(LOOK)).await;
            if !core.heads.are_known() {
                break;
            }
        }
    }
}

async fn heads(core: &Core) -> Result<(), Fault> {
    let Some(worker) = *core.worker.lock() else { return Ok(()) };
    core.pooled(Duration::ZERO, async |client| {
        let heads = core.heads.lend();
        let Columns { queues, ranks, ats, ids } = &heads.columns;
        let rows = core.alone(client, &core.sql.heads, &[&worker, queues, ranks, ats, ids]).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("heads were not answered".into()))?;
        heads.back(row, 0)
    })
    .await?;
    core.hear(Heard::Work);
    Ok(())
}

async fn sweep(core: &Core) -> Result<(), Fault> {
    let s = &core.schema;
    let text =
        format!("VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0) {s}.waiting, {s}.running, {s}.tally");
    // A sweep that takes long goes on by itself; the connection is left to it.
    core.pooled(Duration::ZERO, async |client| {
        core.alone(client, &core.sql.fold, &[]).await?;
        in_time(client.batch_execute(&text)).await
    })
    .await
}
