//! What the tests share: deadlines, and ways to hold and to watch what runs.
#![allow(dead_code, reason = "not every test binary uses all of it")]

pub(crate) mod gate;
pub(crate) mod logs;
pub(crate) mod probe;
pub(crate) mod slow_store;

use std::future::Future;
use std::time::{Duration, Instant};

use callboard_tasks::Timestamp;

#[allow(unused_imports, reason = "not every test binary uses all of it")]
pub(crate) use gate::Gate;
pub(crate) use probe::Probe;
pub(crate) use slow_store::SlowStore;

/// When manual clocks start: 2026-11-22T10:00:00Z.
pub(crate) const START: Timestamp = Timestamp::constant(1_795_341_600, 0);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// How long a test waits for a result that will come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The deadline of a test, or of a part of it.
pub(crate) async fn within<F: Future>(seconds: u64, work: F) -> F::Output {
    let limit = Duration::from_secs(seconds);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| panic!("not done within {limit:?}"))
}

/// Waits for a state.
pub(crate) async fn until(what: &str, state: impl Fn() -> bool) {
    until_async(what, async || state()).await;
}

/// Waits for a state that must be asked for.
pub(crate) async fn until_async(what: &str, state: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !state().await {
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
