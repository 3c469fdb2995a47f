//! The permits of queues that this process works with a number of their own: who may have a job of which queue.
//!
//! A permit is held from the claim, or from the moment before it, to the end of the attempt, so that no more run at
//! once than there are permits. A process that works all queues without such numbers has none, and asks nobody here.

use std::collections::BTreeMap;

use callboard_tasks::Ask;
use parking_lot::Mutex;

use crate::work::Work;

/// The permits of one process at one backend.
#[derive(Debug)]
pub(crate) struct Permits {
    work: Work,
    queues: Mutex<BTreeMap<String, Held>>,
}

/// How many permits of a queue are out.
#[derive(Debug, Default)]
struct Held {
    taken: usize,
    /// Whether somebody found none, so that there may be jobs that wait for one.
    missed: bool,
}

/// Permits taken for a claim, of which the rest goes back when it is known what it gave.
#[derive(Debug)]
pub(crate) struct Asked(BTreeMap<String, usize>);

impl Permits {
    pub(crate) const fn new(work: Work) -> Self {
        Self { work, queues: Mutex::new(BTreeMap::new()) }
    }

    /// Whether this process works any queue.
    pub(crate) fn works_any(&self) -> bool {
        !self.work.is_none()
    }

    /// Whether this process works that queue.
    pub(crate) fn works(&self, queue: &str) -> bool {
        self.work.most(queue) > 0
    }

    /// The number of a queue that has one.
    fn bound(&self, queue: &str) -> Option<usize> {
        if self.work.is_all() {
            return None;
        }
        Some(self.work.most(queue)).filter(|most| *most < usize::MAX)
    }

    /// Takes a permit for each of these jobs, or none. What it gives is to be given back, one by one.
    pub(crate) fn take<'a>(&self, queues: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
        if self.work.is_all() {
            return Some(Vec::new());
        }
        let bound: Vec<(&str, usize)> = queues.filter_map(|queue| Some((queue, self.bound(queue)?))).collect();
        let mut held = self.queues.lock();
        for (n, (queue, most)) in bound.iter().enumerate() {
            let entry = held.entry((*queue).to_owned()).or_default();
            if entry.taken >= *most {
                for (earlier, _) in &bound[..n] {
                    held.get_mut(*earlier).expect("it was just counted").taken -= 1;
                }
                return None;
            }
            entry.taken += 1;
        }
        Some(bound.into_iter().map(|(queue, _)| queue.to_owned()).collect())
    }

    /// A job of this queue waits in the store. Whether it is worth a look there: it is worked here, and a permit is free;
    /// if none is, the next one that comes back has somebody look.
    pub(crate) fn is_worth_a_look(&self, queue: &str) -> bool {
        let Some(most) = self.bound(queue) else { return true };
        if most == 0 {
            return false;
        }
        let mut held = self.queues.lock();
        let entry = held.entry(queue.to_owned()).or_default();
        entry.missed |= entry.taken >= most;
        entry.taken < most
    }

    /// What a claim of at most `limit` jobs asks for, with the permits for it; `None` if nothing is to be had.
    pub(crate) fn ask(&self, limit: usize) -> Option<(Option<BTreeMap<String, usize>>, Asked)> {
        if self.work.is_all() {
            return Some((None, Asked(BTreeMap::new())));
        }
        let (mut ask, mut asked) = (BTreeMap::new(), BTreeMap::new());
        let mut held = self.queues.lock();
        for (queue, most) in self.work.named() {
            let room = if most == usize::MAX {
                limit
            } else if most == 0 {
                0
            } else {
                let entry = held.entry(queue.to_owned()).or_default();
                let room = most.saturating_sub(entry.taken).min(limit);
                entry.missed |= room == 0;
                entry.taken += room;
                asked.insert(queue.to_owned(), room);
                room
            };
            ask.insert(queue.to_owned(), room);
        }
        if self.work.works_others() {
            ask.insert(Ask::OTHERS.to_owned(), limit);
        }
        // A queue without room must be named only where those that are not named have some.
        if !self.work.works_others() {
            ask.retain(|_, room| *room > 0);
        }
        (!ask.is_empty()).then_some((Some(ask), Asked(asked)))
    }

    /// What a claim gave: the permits of its jobs stay out, the others come back. Whether there may be more to claim than
    /// it could ask for.
    pub(crate) fn claimed<'a>(&self, asked: Asked, queues: impl Iterator<Item = &'a str>) -> bool {
        if asked.0.is_empty() {
            return false;
        }
        let mut given: BTreeMap<&str, usize> = BTreeMap::new();
        for queue in queues {
            *given.entry(queue).or_default() += 1;
        }
        let mut held = self.queues.lock();
        let mut more = false;
        for (queue, room) in asked.0 {
            let Some(entry) = held.get_mut(&queue) else { continue };
            let got = given.get(queue.as_str()).copied().unwrap_or_default();
            let back = room.saturating_sub(got);
            entry.taken -= back;
            if back > 0 {
                // Somebody may have looked for one of these meanwhile.
                more |= std::mem::take(&mut entry.missed);
            } else {
                entry.missed = true;
            }
        }
        more
    }

    /// An attempt of this queue has ended, or never began. Whether somebody may wait for its permit.
    pub(crate) fn give_back(&self, queue: &str) -> bool {
        if self.bound(queue).is_none_or(|most| most == 0) {
            return false;
        }
        let mut held = self.queues.lock();
        let Some(entry) = held.get_mut(queue) else { return false };
        entry.taken = entry.taken.saturating_sub(1);
        std::mem::take(&mut entry.missed)
    }

    /// How many permits of a queue are out.
    #[cfg(test)]
    pub(crate) fn taken(&self, queue: &str) -> usize {
        self.queues.lock().get(queue).map_or(0, |held| held.taken)
    }
}
