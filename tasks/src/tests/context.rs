use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::executor::block_on;
use serde::Deserialize;

use super::support::{FakeBoard, MINUTE, SECOND, START, add, job, ping, snapshot};
use crate::{
    CancelReason, Cancellation, FailureKind, Job, Json, Progress, Run, Task, TaskContext, TaskDefinition, task,
};

fn context(job: &Job, cancellation: &Arc<Cancellation>, board: &Arc<FakeBoard>) -> TaskContext {
    let (cancellation, board) = (Arc::clone(cancellation), Arc::clone(board) as Arc<dyn crate::Board>);
    TaskContext::new(Arc::clone(&job.spec), 2, 7, Some(START + MINUTE), cancellation, Arc::default(), board)
}

fn plain_context(job: &Job) -> TaskContext {
    context(job, &Arc::default(), &Arc::default())
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

// Django 49, 66
#[test]
fn a_context_knows_its_job_and_its_attempt() {
    let job = job(add::with(1, 2));
    let context = plain_context(&job);
    assert_eq!((context.job_id(), context.attempt(), context.run()), (job.id(), 2, 7));
    assert_eq!((context.job(), context.deadline()), (job.spec.as_ref(), Some(START + MINUTE)));
    assert_eq!(format!("{context:?}"), format!("TaskContext(callboard_tasks.add {} attempt 2)", job.id()));
}

/// It gets its context by the type of a parameter, wherever that stands and whatever it is called.
#[task]
fn own_id(length: usize, me: &TaskContext) -> String {
    me.job_id().to_string()[..length].to_owned()
}

// Django 22, 23, 66
#[test]
fn a_task_has_a_context_exactly_if_it_has_a_parameter_for_it() {
    let names = |task: &TaskDefinition| task.parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>();
    assert_eq!(names(own_id::definition()), ["length"]);
    let job = job(own_id::with(36usize));
    let Run::Blocking(run) = own_id::definition().run else { panic!("it is not async") };
    assert_eq!(run(plain_context(&job)).unwrap().get::<String>().unwrap(), job.id().to_string());
}

#[test]
fn metadata_is_read_as_the_type_that_the_task_expects() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Origin {
        source: String,
    }
    let with = plain_context(&job(ping::with().metadata(&serde_json::json!({"source": "form"}))));
    assert_eq!(with.metadata().unwrap(), Some(Origin { source: "form".into() }));
    assert!(with.metadata::<Vec<u8>>().is_err());
    assert_eq!(plain_context(&job(ping::with())).metadata::<Origin>().unwrap(), None);
}

#[test]
fn progress_is_reported_under_the_run() {
    let (job, board) = (job(ping::with()), Arc::<FakeBoard>::default());
    context(&job, &Arc::default(), &board).progress(3, 10);
    assert_eq!(*board.reports.lock(), [(job.id(), 7, Progress { done: 3, total: 10 })]);
}

#[test]
fn a_call_that_a_task_enqueues_continues_its_trace() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let other = "00-11111111111111111111111111111111-2222222222222222-00";
    let answer = || Ok(snapshot(job(add::with(1, 2))));
    let board = FakeBoard::answering([answer(), answer(), answer()]);
    let traced = context(&job(ping::with().traceparent(parent)), &Arc::default(), &board);
    block_on(traced.enqueue(add::with(1, 2))).unwrap();
    block_on(traced.enqueue(add::with(1, 2).traceparent(other))).unwrap();
    block_on(context(&job(ping::with()), &Arc::default(), &board).enqueue(add::with(1, 2))).unwrap();
    let traces: Vec<_> = board.enqueued.lock().iter().map(|call| call.options().traceparent.clone()).collect();
    assert_eq!(traces, [Some(parent.into()), Some(other.into()), None]);
}

#[test]
fn stored_arguments_that_do_not_fit_end_the_job() {
    let mut job = job(add::with(1, 2));
    Arc::make_mut(&mut job.spec).args = Json::from_stored(r#"{"a":1}"#.into());
    #[derive(Debug, Deserialize)]
    struct Args {
        #[expect(dead_code, reason = "only its reading matters")]
        b: i64,
    }
    let failure = plain_context(&job).arguments::<Args>().unwrap_err();
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Abort, "InvalidArguments"));
    assert!(failure.message.contains("missing field `b`"), "{}", failure.message);
}

#[test]
fn an_attempt_is_told_once_and_the_first_reason_counts() {
    let cancellation = Cancellation::default();
    assert_eq!(cancellation.reason(), None);
    assert!(cancellation.tell(CancelReason::Timeout(SECOND)));
    assert!(!cancellation.tell(CancelReason::Cancelled));
    assert_eq!(cancellation.reason(), Some(CancelReason::Timeout(SECOND)));
}

#[test]
fn telling_wakes_all_that_wait_and_each_of_them_once() {
    let cancellation = Arc::new(Cancellation::default());
    let counts = [Arc::<Count>::default(), Arc::<Count>::default()];
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        for _ in 0..3 {
            assert_eq!(cancellation.poll_told(&mut Context::from_waker(&waker)), Poll::Pending);
        }
    }
    cancellation.tell(CancelReason::Shutdown);
    cancellation.tell(CancelReason::Cancelled);
    assert_eq!(counts.map(|count| count.0.load(Ordering::SeqCst)), [1, 1]);
}

#[test]
fn cancelled_ends_when_the_attempt_is_told_from_another_thread() {
    let cancellation = Arc::<Cancellation>::default();
    let context = context(&job(ping::with()), &cancellation, &Arc::default());
    let (send, reasons) = std::sync::mpsc::channel();
    let told = context.cancelled();
    std::thread::spawn(move || send.send(block_on(told)));
    cancellation.tell(CancelReason::Cancelled);
    assert_eq!(reasons.recv_timeout(MINUTE), Ok(CancelReason::Cancelled));
    assert!(context.is_cancelled());
}

#[test]
fn cancelled_is_ready_at_once_for_who_asks_late() {
    let cancellation = Arc::<Cancellation>::default();
    let context = context(&job(ping::with()), &cancellation, &Arc::default());
    assert!(!context.is_cancelled());
    cancellation.tell(CancelReason::LeaseLost);
    let told = pin!(context.cancelled()).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(told, Poll::Ready(CancelReason::LeaseLost));
}

#[test]
fn an_attempt_that_asks_whether_to_stop_is_known_to_listen() {
    let asks: [fn(&TaskContext); 2] = [
        |context| {
            let _ = context.is_cancelled();
        },
        |context| drop(context.cancelled()),
    ];
    for ask in asks {
        let cancellation = Arc::<Cancellation>::default();
        let context = context(&job(ping::with()), &cancellation, &Arc::default());
        assert!(!cancellation.is_observed());
        ask(&context);
        assert!(cancellation.is_observed());
    }
}
