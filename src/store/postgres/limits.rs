//! The limits of queues as the database keeps them: as they were given, for programs, and as numbers, for statements.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_tasks::{QueueLimits, Rate, StoreError};

use super::core::Core;
use super::fault::Fault;

/// How long a change is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sets the limits of a queue.
pub(super) async fn limit(core: &Core, queue: &str, limits: &QueueLimits) -> Result<(), StoreError> {
    let text = serde_json::to_string(limits).map_err(|error| StoreError::Unavailable(error.into()))?;
    let definition = (!limits.is_none()).then_some(text);
    let number = |number: Option<u32>| number.map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let (concurrency, key_concurrency) = (number(limits.concurrency), number(limits.key_concurrency));
    let count = |rate: Option<Rate>| number(rate.map(|rate| rate.count));
    let step = |rate: Option<Rate>| rate.map(Rate::step_micros);
    let depth = limits.depth.map(|depth| i64::try_from(depth).unwrap_or(i64::MAX - 1));
    let set = core.pooled(PATIENCE, async |client| {
        core.within(client, async || {
            core.query(
                client,
                &core.sql.limit,
                &[
                    &queue,
                    &definition,
                    &concurrency,
                    &count(limits.rate),
                    &step(limits.rate),
                    &key_concurrency,
                    &count(limits.key_rate),
                    &step(limits.key_rate),
                    &depth,
                ],
            )
            .await?;
            core.query(client, &core.sql.count_running, &[]).await.map(drop)
        })
        .await?;
        // What was claimed meanwhile by those who did not know of it.
        core.alone(client, &core.sql.count_running, &[]).await?;
        core.depths.counted(&core.alone(client, &core.sql.depths, &[]).await?)?;
        let rows = core.alone(client, &core.sql.limits, &[]).await?;
        let all: Vec<(String, String)> =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Fault>>()?;
        let (queues, definitions) = all.into_iter().unzip();
        core.saw_limits(&read(Some(queues), Some(definitions))?);
        Ok(())
    });
    set.await.map_err(|fault| fault.into_error(None))?;
    core.tell_of_work();
    Ok(())
}

/// Limits as they were given, by queue.
pub(super) fn read(
    queues: Option<Vec<String>>,
    definitions: Option<Vec<String>>,
) -> Result<BTreeMap<String, QueueLimits>, Fault> {
    let all = queues.unwrap_or_default().into_iter().zip(definitions.unwrap_or_default());
    all.map(|(queue, text)| {
        let limits = parse(&queue, &text)?;
        Ok((queue, limits))
    })
    .collect()
}

/// Limits of a queue as they were given.
pub(super) fn parse(queue: &str, text: &str) -> Result<QueueLimits, Fault> {
    let damaged = |error| Fault::Failed(format!("the limits of the queue {queue:?} are damaged: {error}").into());
    serde_json::from_str(text).map_err(damaged)
}
