//! Attempts that run for longer than they should: reported once, in three places, and left alone.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use callboard_actors::TaskStuck;
use callboard_tasks::{Data, Phase, task, tasks};
use parking_lot::Mutex;

use super::{board_of, end};
use crate::support::{Probe, logs, until, until_async, within};

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

#[task]
fn stay_blocking(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

#[task]
async fn quick() {}

/// Notes of whom it is told.
struct Ear(Arc<Mutex<Vec<TaskStuck>>>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<TaskStuck> for Ear {
    type Result = ();

    fn handle(&mut self, stuck: TaskStuck, _: &mut Self::Context) {
        self.0.lock().push(stuck);
    }
}

#[actix::test]
async fn an_attempt_that_runs_for_too_long_is_reported_once_and_goes_on() {
    logs::listen();
    let probe: Arc<Probe> = Arc::default();
    let limit = Duration::from_millis(150);
    let board = board_of(tasks![stay, stay_blocking, quick], &probe, |b| b.stuck_after(limit)).await;
    let heard = Arc::default();
    board.subscribe::<TaskStuck>(Ear(Arc::clone(&heard)).start().recipient());
    end(board.enqueue(quick::with()).await.unwrap()).await;
    let stuck = [board.enqueue(stay::with()).await.unwrap(), board.enqueue(stay_blocking::with()).await.unwrap()];
    until("both are told of", || heard.lock().len() == 2).await;
    // Several looks later nobody has been told again.
    tokio::time::sleep(3 * limit).await;
    assert_eq!(heard.lock().len(), 2);
    let mut told: Vec<_> = heard.lock().iter().map(|TaskStuck(result)| (result.id(), result.phase())).collect();
    told.sort();
    let mut expected: Vec<_> = stuck.iter().map(|result| (result.id(), Phase::Running)).collect();
    expected.sort();
    assert_eq!(told, expected);

    let health = board.health().await;
    assert!(health.is_ready(), "it is a warning");
    let warned = &health.backends[0].stuck;
    assert!(warned.iter().all(|stuck| stuck.running >= 2 * limit), "{warned:?}");
    assert_eq!(warned.iter().filter(|stuck| stuck.task.contains("stay")).count(), 2, "{warned:?}");
    for result in &stuck {
        let lines = logs::about(result.id());
        let said = lines.iter().filter(|line| line.text.contains("an attempt runs for longer than it should"));
        assert_eq!(said.count(), 1, "{lines:?}");
    }
    probe.gate.open();
    for result in stuck {
        assert_eq!(within(5, end(result)).await.phase(), Phase::Successful);
    }
    until_async("the warning is gone", async || board.health().await.backends[0].stuck.is_empty()).await;
}
