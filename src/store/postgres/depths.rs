//! How many jobs wait in the queues in which only so many may: counted at most once a second, and what this process
//! has enqueued since on top. So a queue may come to hold more than it should by what others enqueue within a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{JobSpec, Unit};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_postgres::Row;

use super::core::Core;
use super::fault::Fault;
use crate::store::record::unsigned;

/// So long a count holds,
const FRESH: Duration = Duration::from_secs(1);
/// and so long if by it somebody would be refused.
const JUST_NOW: Duration = Duration::from_millis(100);

/// What is known of full queues.
#[derive(Debug, Default)]
pub(super) struct Depths(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    counted_at: Option<Instant>,
    queues: BTreeMap<String, Depth>,
}

#[derive(Debug)]
struct Depth {
    depth: u64,
    waiting: u64,
}

impl Depths {
    /// Whether there is a queue with a depth, as of the last count.
    pub(super) fn are_known(&self) -> bool {
        !self.0.lock().queues.is_empty()
    }

    /// Takes a count: the rows of `depths`.
    pub(super) fn counted(&self, rows: &[Row]) -> Result<(), Fault> {
        let queue = |row: &Row| {
            let depth = Depth { depth: unsigned(row.try_get(1)?), waiting: unsigned(row.try_get(2)?) };
            Ok::<_, Fault>((row.try_get(0)?, depth))
        };
        let queues = rows.iter().map(queue).collect::<Result<_, _>>()?;
        *self.0.lock() = Known { counted_at: Some(Instant::now()), queues };
        Ok(())
    }

    /// Whether it is time to count again.
    fn is_older_than(&self, age: Duration) -> bool {
        self.0.lock().counted_at.is_none_or(|at| at.elapsed() >= age)
    }

    /// Counts jobs in, if there is room for all of them.
    pub(super) fn take(&self, jobs: &[Arc<JobSpec>]) -> Result<(), Fault> {
        let mut coming: BTreeMap<&str, u64> = BTreeMap::new();
        for spec in jobs {
            *coming.entry(&spec.queue).or_default() += 1;
        }
        let mut known = self.0.lock();
        for (name, coming) in &coming {
            if let Some(Depth { depth, waiting }) = known.queues.get(*name)
                && waiting + coming > *depth
            {
                return Err(Fault::Full { queue: (*name).to_owned(), waiting: *waiting, depth: *depth });
            }
        }
        for (name, coming) in coming {
            if let Some(depth) = known.queues.get_mut(name) {
                depth.waiting += coming;
            }
        }
        Ok(())
    }
}

/// Those among the numbered units for which there is room, and why there is none for the others.
pub(super) async fn admit(
    core: &Core,
    count: &mut impl AsyncFnMut() -> Result<Vec<Row>, Fault>,
    units: &[&Unit],
    numbers: Vec<usize>,
) -> Result<(Vec<usize>, Vec<(usize, Fault)>), Fault> {
    let depths = &core.depths;
    if depths.is_older_than(FRESH) || core.clock.is_manual() {
        depths.counted(&count().await?)?;
    }
    let (mut admitted, mut refused) = (Vec::with_capacity(numbers.len()), Vec::new());
    for n in numbers {
        match depths.take(&units[n].jobs) {
            Ok(()) => admitted.push(n),
            Err(full) => refused.push((n, full)),
        }
    }
    if !refused.is_empty() && depths.is_older_than(JUST_NOW) {
        depths.counted(&count().await?)?;
        // What was counted in a moment ago is not yet there.
        for n in &admitted {
            let _let_in_before = depths.take(&units[*n].jobs);
        }
        let again = std::mem::take(&mut refused);
        for (n, _) in again {
            match depths.take(&units[n].jobs) {
                Ok(()) => admitted.push(n),
                Err(full) => refused.push((n, full)),
            }
        }
    }
    Ok((admitted, refused))
}
