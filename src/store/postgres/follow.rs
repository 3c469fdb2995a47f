//! The order of ends, for whoever follows.

use std::time::Duration;

use callboard_tasks::{EndLog, Followed, JobId, StoreError};
use uuid::Uuid;

use super::core::{Core, Params, micros};
use super::fault::Fault;
use crate::store::record::{signed, unsigned};

/// How long it is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told after a mark.
pub(super) async fn follow(core: &Core, after: Option<u64>, limit: usize) -> Result<Followed, StoreError> {
    let (from, limit) = (after.map(signed), i32::try_from(limit).unwrap_or(i32::MAX));
    let (kept, times) = (signed(Followed::KEPT), [Followed::FOR, Followed::RENEWED, Followed::DOUBTFUL].map(micros));
    let parameters: Params<'_> = &[&from, &limit, &kept, &times[0], &times[1], &times[2]];
    let told = core.pooled(PATIENCE, async |client| {
        let rows = core.alone(client, &core.sql.follow, parameters).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("the order of ends was not told".into()))?;
        let number = |column| row.try_get::<_, i64>(column).map(unsigned);
        let log = EndLog { since: number(0)?, dropped: number(1)?, last: number(2)? };
        let numbers: Vec<i64> = row.try_get::<_, Option<_>>(3)?.unwrap_or_default();
        let ids: Vec<Uuid> = row.try_get::<_, Option<_>>(4)?.unwrap_or_default();
        let young: Vec<bool> = row.try_get::<_, Option<_>>(5)?.unwrap_or_default();
        let ends = numbers.into_iter().map(unsigned).zip(ids.into_iter().map(JobId::from_uuid)).zip(young);
        Ok(Followed::after(after, &log, settled(after.unwrap_or(log.last).max(log.dropped), ends)))
    });
    told.await.map_err(|fault| fault.into_error(None))
}

/// The ends up to the first gap before a young one: what is missing there is being committed, or never will be.
fn settled(mut last: u64, ends: impl Iterator<Item = ((u64, JobId), bool)>) -> impl Iterator<Item = (u64, JobId)> {
    ends.map_while(move |((number, id), young)| {
        let follows_on = number == last + 1;
        last = number;
        (follows_on || !young).then_some((number, id))
    })
}
