//! What a board needs to start.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard, StartError};
use callboard_tasks::{Clock, Data, RegistryError, task, tasks};

use super::{board_of, end, start};
use crate::support::{Probe, SlowStore, until, within};

struct Mailer;
struct Database;

#[task]
async fn mail(_mailer: Data<Mailer>, _database: Data<Database>) {}

#[task]
fn store(_database: Data<Database>) {}

#[task]
async fn needs_nothing() -> u8 {
    1
}

#[task(name = "other.needs_nothing")]
async fn takes_a_name() {}

#[task(name = "other.needs_nothing")]
async fn takes_the_same_name() {}

#[task(aliases = ["old.name"])]
async fn renamed() -> u8 {
    2
}

#[task]
async fn shared(probe: Data<Probe>) -> bool {
    probe.say("shared");
    true
}

fn message(refused: &StartError) -> String {
    refused.to_string()
}

#[tokio::test]
async fn a_board_whose_tasks_lack_their_data_says_what_is_missing_for_each() {
    let builder = Callboard::builder().memory().tasks(tasks![mail, store, needs_nothing]).data(Database);
    let refused = builder.start().await.unwrap_err();
    let StartError::Registry(RegistryError::MissingData(missing)) = &refused else { panic!("{refused:?}") };
    assert_eq!(missing.len(), 1);
    assert!(message(&refused).contains("Mailer for it.mail"), "{refused}");

    let builder = Callboard::builder().memory().tasks(tasks![mail, store, needs_nothing]);
    let refused = message(&builder.start().await.unwrap_err());
    for part in ["Mailer for it.mail", "Database for it.mail", "Database for it.store", ".data(..)"] {
        assert!(refused.contains(part), "{part:?} in {refused:?}");
    }
}

#[tokio::test]
async fn data_that_is_given_as_an_arc_is_shared() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![shared], &probe, |b| b).await;
    end(board.enqueue(shared::with()).await.unwrap()).await;
    assert_eq!(probe.lines(), ["shared"]);
}

#[tokio::test]
async fn a_board_without_a_required_task_does_not_start() {
    let builder = Callboard::builder().memory().tasks(tasks![needs_nothing]);
    let builder = builder.required_tasks(["it.needs_nothing", "elsewhere.send", "elsewhere.pay"]);
    let refused = message(&builder.start().await.unwrap_err());
    assert!(refused.contains("elsewhere.send, elsewhere.pay") && !refused.contains("it.needs_nothing"), "{refused}");
}

#[tokio::test]
async fn a_board_with_its_required_tasks_starts() {
    let builder = Callboard::builder().memory().tasks(tasks![needs_nothing, renamed]);
    builder.required_tasks(["it.needs_nothing", "old.name"]).start().await.unwrap();
}

#[tokio::test]
async fn two_tasks_of_one_name_do_not_start_and_both_places_are_named() {
    let builder = Callboard::builder().memory().tasks(tasks![takes_a_name, takes_the_same_name]);
    let refused = message(&builder.start().await.unwrap_err());
    assert!(
        refused.contains("\"other.needs_nothing\"") && refused.matches("queue/start.rs:").count() == 2,
        "{refused}"
    );
}

#[tokio::test]
async fn tasks_are_added_up() {
    let builder = Callboard::builder().memory().tasks(tasks![needs_nothing]).tasks(tasks![renamed, needs_nothing]);
    let board = builder.start().await.unwrap();
    let names: Vec<_> = board.registry().iter().map(|task| task.name).collect();
    assert_eq!(names, ["it.needs_nothing", "it.renamed"]);
}

#[tokio::test]
async fn a_board_given_no_tasks_knows_none() {
    let board = Callboard::builder().memory().tasks(tasks![]).start().await.unwrap();
    assert!(board.registry().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_lets_no_board_start() {
    let store = SlowStore::new(Clock::system());
    let broken = Arc::new(Broken(store));
    let builder = Callboard::builder().backend("default", Backend::store(broken)).tasks(tasks![]);
    let refused = within(5, builder.start()).await.unwrap_err();
    assert!(matches!(refused, StartError::Store(_)), "{refused}");
}

#[tokio::test]
async fn a_worker_process_says_what_it_can_run_by_every_name() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![renamed], &probe, Backend::store(Arc::clone(&store) as _), Clock::system()).await;
    let old = callboard_tasks::AnyCall::named(
        "old.name",
        None,
        callboard_tasks::Json::from_stored("{}".into()),
        callboard_tasks::CallOptions::default(),
    );
    let result = within(5, end(board.enqueue_any(old).await.unwrap())).await;
    assert_eq!((result.return_value(), result.task()), (Ok(&serde_json::json!(2)), "old.name"));
    let typed = board.result::<renamed>(result.id()).await.unwrap();
    assert_eq!(typed.return_value(), Ok(&2));
}

#[tokio::test]
async fn a_board_beats_for_as_long_as_it_lives() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let board = start(tasks![], &probe, backend, Clock::system()).await;
    until("it beats", || store.beat.asked() >= 3).await;
    drop(board);
    until("it is gone", || Arc::strong_count(&store) == 1).await;
}

use broken::Broken;

mod broken {
    //! A store that fails whatever it is asked.
    use std::sync::Arc;

    use callboard_tasks::{
        Ask, Beat, Change, Changed, Claimed, Control, Fate, Filter, JobId, Listing, Lookup, Outcome, Page, Placed,
        Prunable, Pulse, Stats, Store, StoreError, Unit, WorkerId,
    };
    use futures::future::{BoxFuture, FutureExt, ready};

    use crate::support::SlowStore;

    #[derive(Debug)]
    pub(super) struct Broken(pub(super) Arc<SlowStore>);

    fn fail<T: Send + 'static>() -> BoxFuture<'static, Result<T, StoreError>> {
        ready(Err(StoreError::Unavailable("broken".into()))).boxed()
    }

    impl Store for Broken {
        fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
            self.0.enqueue(units)
        }
        fn claim(&self, _: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
            fail()
        }
        fn finish(&self, _: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
            fail()
        }
        fn beat(&self, _: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
            fail()
        }
        fn rescue(&self, _: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
            fail()
        }
        fn change(&self, _: JobId, _: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
            fail()
        }
        fn control(&self, _: Control) -> BoxFuture<'_, Result<(), StoreError>> {
            fail()
        }
        fn get(&self, _: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
            fail()
        }
        fn list(&self, _: Filter, _: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
            fail()
        }
        fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
            fail()
        }
        fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
            fail()
        }
        fn schedules(&self) -> BoxFuture<'_, Result<Vec<callboard_tasks::ScheduleRecord>, StoreError>> {
            fail()
        }
        fn tick(&self, _: callboard_tasks::Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
            fail()
        }
        fn inquire(&self, _: JobId) -> BoxFuture<'_, Result<Option<callboard_tasks::Inquiry>, StoreError>> {
            fail()
        }
        fn follow(&self, _: Option<u64>, _: usize) -> BoxFuture<'_, Result<callboard_tasks::Followed, StoreError>> {
            fail()
        }
        fn prune(&self, _: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
            fail()
        }
    }
}
