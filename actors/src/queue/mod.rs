//! The queue backend: jobs in a store, run by supervised worker actors.
//!
//! [`desk`] is what its threads share; [`backend`] the supervising actor; [`worker`] and [`attempt`] run jobs;
//! [`heart`] and [`keeper`] keep the lease and the time, [`scheduler`] those of schedules; [`watch`] hears of other
//! processes; [`dispatch`], [`permits`], [`record`], [`lease`] and [`agenda`] are the decisions.

mod agenda;
mod announce;
mod attempt;
mod backend;
mod carried;
mod desk;
mod dispatch;
mod gate;
mod heart;
mod keeper;
mod kept;
mod lease;
mod limited;
mod permits;
mod pumps;
mod record;
mod scheduler;
mod turn;
mod watch;
mod worker;

pub(crate) use desk::Desk;
pub(crate) use gate::QueueGate;
pub(crate) use pumps::chain;
pub(crate) use record::{Facts, ending};

#[cfg(test)]
pub(crate) use {
    agenda::{Known, overdue, plan},
    backend::{Crash as CrashBackend, Wake},
    dispatch::{MOST, Pace, room},
    lease::{Lease, Look, Looks, Seen, Standing},
    permits::Permits,
    worker::Crash as CrashWorker,
};
