//! What is planned happens in order of time, once, unless it is called off; and no longer than its thread lives.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::timers::Timers;

const SOON: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_secs(20);

/// Timers whose thread lives until the returned sender is dropped.
fn timers() -> (Timers, tokio::sync::oneshot::Sender<()>) {
    let (timers, (stop, stopped)) = (Timers::default(), tokio::sync::oneshot::channel());
    let run = timers.clone().run();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::select! { () = run => {}, _ = stopped => {} }
        });
    });
    (timers, stop)
}

fn next<T>(events: &Receiver<T>) -> T {
    events.recv_timeout(LATE).expect("it happens in time")
}

#[test]
fn the_sooner_one_happens_first_whenever_it_was_planned() {
    let (timers, _thread) = timers();
    let (tell, told) = channel();
    let began = Instant::now();
    let plan = |millis: u64| {
        let tell = tell.clone();
        timers.after(Duration::from_millis(millis), move || tell.send(millis).unwrap())
    };
    let _guards = [plan(60), plan(20), plan(40), plan(20)];
    assert_eq!([next(&told), next(&told), next(&told), next(&told)], [20, 20, 40, 60]);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn what_is_called_off_is_dropped_at_once_and_never_happens() {
    let (timers, _thread) = timers();
    let (tell, told) = channel();
    drop(timers.after(SOON, move || tell.send(()).unwrap()));
    assert_eq!(told.recv_timeout(SOON * 3), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn what_is_forgotten_happens_all_the_same_and_a_panic_stops_nobody() {
    let (timers, _thread) = timers();
    let (tell, told) = channel();
    timers.after(Duration::ZERO, || panic!("a fault of ours")).forget();
    timers.after(SOON, move || tell.send(7).unwrap()).forget();
    assert_eq!(next(&told), 7);
}

#[test]
fn a_time_that_no_clock_can_say_is_very_late() {
    let (timers, _thread) = timers();
    let (tell, told) = channel::<()>();
    let _guard = timers.after(Duration::MAX, move || drop(tell));
    assert_eq!(told.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
}

#[test]
fn with_their_thread_all_that_was_planned_is_dropped_and_all_that_comes_later() {
    let (timers, thread) = timers();
    let (tell, told) = channel::<()>();
    let more = tell.clone();
    let _guard = timers.after(LATE * 100, move || drop(tell));
    drop(thread);
    let _late = timers.after(LATE * 100, move || drop(more));
    assert_eq!(told.recv_timeout(LATE), Err(RecvTimeoutError::Disconnected));
}
