//! Real crashes: a process that enqueues and runs jobs is killed with SIGKILL at a random moment, again and again, on
//! the same store; afterwards everything that was promised must be there.
//!
//! The process is this test binary, started with the one test [`victim`]. It writes what it does into a log, a line
//! for each start and end of an attempt and for each enqueue that was answered; lines survive a SIGKILL, so the log is
//! what the world saw.

mod bomb;
mod judge;
mod log;
mod place;
mod victim;

use std::collections::HashSet;
use std::time::Duration;

use callboard::{JobId, Status};
use futures::executor::block_on;

use self::judge::{Deaths, everything, finish_all, judge};
use self::log::Log;
use self::place::Place;
use self::victim::Victim;
use crate::support::Folder;

/// So many attempts must run at the moment of each kill.
const RUNNING: usize = 10;

/// How often a process is killed: more in the long version of the tests.
fn kills() -> usize {
    let full = std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full");
    if full { 500 } else { 20 }
}

/// Kills a process on this store again and again, and looks at what is left.
fn kill_again_and_again(place: &Place) {
    let folder = Folder::new();
    let store = place.open();
    let (mut deaths, mut log) = (Deaths::default(), Log::default());
    for round in 0..kills() {
        let (victim, began) = (Victim::start(place, &folder, round), jiff::Timestamp::now());
        // By chance, but the same chance each time that a round is looked into again.
        let pause = Duration::from_millis((round as u64 * 7_919) % 150);
        victim.kill_while_running(RUNNING, pause);
        log.add(&Log::path(&folder, round));
        deaths.count(store.as_ref(), &log, began);
    }
    println!("{} kills; died {deaths}", kills());
    deaths.must_have_come_everywhere();

    finish_all(place, &folder);
    let (jobs, log) = (everything(store.as_ref()), Log::read_all(&folder));
    let quarantined = judge(&jobs, &log);
    println!("{} jobs, {} answered, {quarantined} quarantined", jobs.len(), log.answered.len());
    let kept: HashSet<JobId> = jobs.iter().map(callboard::Job::id).collect();
    assert!(log.answered.is_subset(&kept), "an enqueue that was answered is gone");
    assert!(jobs.iter().filter(|job| job.status() == Status::Successful).count() > jobs.len() / 2);
    block_on(store.close());
    place.must_be_sound();
}

#[test]
fn no_kill_loses_a_job_or_an_end_on_sqlite() {
    let folder = Folder::new();
    kill_again_and_again(&Place::Sqlite(folder.path().join("jobs.db")));
}

#[test]
fn no_kill_loses_a_job_or_an_end_on_postgres() {
    let options = crate::stores::postgres_options();
    kill_again_and_again(&Place::Postgres { url: options.url, schema: options.schema });
}

fn read<T>(work: impl Future<Output = Result<T, callboard::store::StoreError>>) -> T {
    block_on(work).expect("the store can be read")
}
