//! The order of ends, for whoever follows: written beside the ends only while somebody does.

use callboard_tasks::{EndLog, Followed, JobId};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, Trouble};
use super::rows;
use super::txn::Txn;
use crate::store::record::{signed, unsigned};

/// As microseconds.
fn whole(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// What is told after a mark; `None` if the order must be asked for first, or again, by [`renew`]. `sure`: it just was.
pub(super) fn look(
    connection: &Connection,
    after: Option<u64>,
    limit: usize,
    now: i64,
    sure: bool,
) -> Result<Option<Followed>, Fault> {
    let mut select = connection.prepare_cached("SELECT since, dropped, last, until FROM callboard_follow")?;
    let log = select
        .query_row([], |row| {
            let number = |column| row.get::<_, i64>(column).map(unsigned);
            Ok((EndLog { since: number(0)?, dropped: number(1)?, last: number(2)? }, row.get::<_, i64>(3)?))
        })
        .optional()?;
    let Some((log, _)) = log.filter(|(_, until)| sure || *until >= now.saturating_add(whole(Followed::RENEWED))) else {
        return Ok(None);
    };
    // What is thrown away between the two looks is missed, as it would be before the first.
    let mut select =
        connection.prepare_cached("SELECT n, id FROM callboard_ended WHERE n > ?1 AND n <= ?2 ORDER BY n LIMIT ?3")?;
    let from = after.unwrap_or(log.last).max(log.dropped);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ends = select.query_map(params![signed(from), signed(log.last), limit], |row| {
        Ok((unsigned(row.get(0)?), rows::id(row, 1)?))
    })?;
    let ends: Vec<(u64, JobId)> = ends.collect::<rusqlite::Result<_>>()?;
    Ok(Some(Followed::after(after, &log, ends)))
}

/// Has the order kept from now on; if it was not kept any more, it begins anew.
pub(super) fn renew(txn: &mut Txn<'_, '_>, (): &()) -> Result<(), Trouble> {
    txn.tidy_followed()?;
    txn.connection
        .prepare_cached(
            "INSERT INTO callboard_follow (one, since, dropped, last, until) VALUES (1, 0, 0, 0, ?1)
             ON CONFLICT DO UPDATE SET until = excluded.until",
        )?
        .execute([txn.now_micros.saturating_add(whole(Followed::FOR))])?;
    txn.memory.followed_until = None;
    Ok(())
}

impl Txn<'_, '_> {
    /// Throws the order away if nobody has asked for it for so long. The break takes a number, so that whoever knows
    /// the last one learns of it.
    pub(super) fn tidy_followed(&mut self) -> Result<(), Trouble> {
        let over = self
            .connection
            .prepare_cached(
                "UPDATE callboard_follow SET since = last + 1, dropped = last + 1, last = last + 1 WHERE until <= ?1",
            )?
            .execute([self.now_micros])?;
        if over > 0 {
            self.connection.prepare_cached("DELETE FROM callboard_ended")?.execute([])?;
        }
        Ok(())
    }

    /// Jobs have ended in this transaction.
    pub(super) fn note_for_followers<'a>(&mut self, ids: impl Iterator<Item = &'a JobId>) -> Result<(), Trouble> {
        let until = match self.memory.followed_until {
            Some(until) => until,
            None => {
                let mut select = self.connection.prepare_cached("SELECT until FROM callboard_follow")?;
                let until = select.query_row([], |row| row.get(0)).optional()?.unwrap_or(i64::MIN);
                *self.memory.followed_until.insert(until)
            }
        };
        if until <= self.now_micros {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached("SELECT last, dropped FROM callboard_follow")?;
        let (mut last, mut dropped): (i64, i64) = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut insert = self.connection.prepare_cached("INSERT INTO callboard_ended (n, id) VALUES (?1, ?2)")?;
        for id in ids {
            last += 1;
            insert.execute(params![last, id.as_uuid().as_bytes()])?;
        }
        // Not with each commit: it costs less all at once.
        let kept = signed(Followed::KEPT);
        if last - dropped > kept + kept / 10 {
            dropped = last - kept;
            self.connection.prepare_cached("DELETE FROM callboard_ended WHERE n <= ?1")?.execute([dropped])?;
        }
        self.connection
            .prepare_cached("UPDATE callboard_follow SET last = ?1, dropped = ?2")?
            .execute([last, dropped])?;
        Ok(())
    }
}
