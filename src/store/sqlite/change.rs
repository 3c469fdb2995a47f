//! Changes of one job from outside.

use callboard_tasks::{Change, Changed, JobId, StoreError};

use super::fault::Trouble;
use super::txn::Txn;

pub(super) fn change(txn: &mut Txn<'_, '_>, (id, change): &(JobId, Change)) -> Result<Changed, Trouble> {
    let Some(before) = txn.load(*id)? else {
        let mut pruned = txn.connection.prepare_cached("SELECT 1 FROM callboard_pruned WHERE id = ?1")?;
        let pruned = pruned.exists([id.as_uuid().as_bytes()])?;
        return Err(Trouble::Refused(if pruned { StoreError::Pruned(*id) } else { StoreError::NotFound(*id) }));
    };
    if *change == Change::Retry
        && let Some(existing) = txn.stands_in_the_way(&before)?
    {
        return Err(Trouble::Refused(StoreError::UniqueConflict { index: 0, existing }));
    }
    let mut after = before.clone();
    after.change(change.clone(), txn.now).map_err(Trouble::Refused)?;
    if *change == Change::Delete {
        txn.remove(&after)?;
    } else if after != before {
        txn.rewrite(&before, &after)?;
    }
    Ok(Changed { worker: after.holder(), job: after })
}
