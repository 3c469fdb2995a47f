//! What a program adds to a board: a look at calls, parts of its health, a refusal to start.

use callboard_tasks::{Error, Json, Problem, task, tasks};

use super::support::SOON;
use crate::{Callboard, Enqueue, EnqueueAll, PartHealth, StartError};

#[task(register = false)]
async fn add_up(numbers: Vec<i64>) -> i64 {
    numbers.iter().sum()
}

#[task(register = false)]
async fn same(n: i64) -> i64 {
    n
}

/// Refuses negative numbers, and adds 1 to the others.
fn look(args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    let mut args: serde_json::Value = args.get().unwrap();
    let numbers = args["numbers"].as_array_mut().unwrap();
    let wrong = |(n, number): (usize, &serde_json::Value)| {
        (number.as_i64().unwrap() < 0).then(|| Problem::new(format!("#/args/numbers/{n}"), "is negative"))
    };
    let problems: Vec<_> = numbers.iter().enumerate().filter_map(wrong).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    numbers.push(1.into());
    Ok(Some(Json::from_value(&args).unwrap()))
}

async fn board() -> Callboard {
    let builder = Callboard::builder().memory().tasks(tasks![same]).more_tasks(tasks![add_up]);
    builder.prepare::<add_up>(look).start().await.unwrap()
}

#[actix::test]
async fn a_call_is_looked_at_before_it_is_kept_wherever_it_comes_from() {
    let board = board().await;
    let call = || add_up::with(vec![1, 2]);
    let one = board.enqueue(call()).await.unwrap().wait(SOON).await.unwrap();
    assert_eq!(one.return_value().unwrap(), &4);
    assert_eq!(one.args().to_string(), r#"{"numbers":[1,2,1]}"#, "what was made of it is what is kept");
    let all = board.enqueue_all(vec![call().erase(), same::with(7).erase()]).await.unwrap();
    assert_eq!(all[0].args().to_string(), r#"{"numbers":[1,2,1]}"#);
    assert_eq!(all[1].args().to_string(), r#"{"n":7}"#, "other tasks are left alone");
    let snapshot = board.recipient::<Enqueue>("default").unwrap().send(Enqueue::new(call())).await.unwrap().unwrap();
    assert_eq!(snapshot.job.spec.args.as_str(), r#"{"numbers":[1,2,1]}"#);
    let prepared = board.prepare(call().erase()).unwrap();
    assert_eq!(prepared.spec().args.as_str(), r#"{"numbers":[1,2,1]}"#);
    board.shutdown().await;
}

#[actix::test]
async fn what_is_wrong_with_a_call_is_said_with_each_argument_and_nothing_is_kept() {
    let board = board().await;
    let call = || add_up::with(vec![1, -2, -3]);
    let pointers = |error: Error| match error {
        Error::InvalidTask(invalid) => invalid.problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let expected = ["#/args/numbers/1", "#/args/numbers/2"];
    assert_eq!(pointers(board.enqueue(call()).await.unwrap_err()), expected);
    let both = vec![same::with(1).erase(), call().erase()];
    assert_eq!(pointers(board.enqueue_all(both.clone()).await.unwrap_err())[0], "#/tasks/1/args/numbers/1");
    let message = board.recipient::<EnqueueAll>("default").unwrap().send(EnqueueAll(both)).await.unwrap();
    assert_eq!(pointers(message.unwrap_err()), expected);
    let page = callboard_tasks::Page { limit: 10, before: None };
    let (kept, _) = board.list("default", callboard_tasks::Filter::default(), page).await.unwrap();
    assert!(kept.is_empty(), "{kept:?}");
    board.shutdown().await;
}

#[actix::test]
async fn parts_of_the_program_show_in_the_health_and_do_not_change_the_verdict() {
    let part = |problem: Option<&str>| PartHealth { name: "mailer:x".into(), problem: problem.map(str::to_owned) };
    let told = part(Some("paused"));
    let kept = told.clone();
    let builder =
        Callboard::builder().memory().tasks([]).part("mail", Vec::new).part("mail", move || vec![kept.clone()]);
    let board = builder.start().await.unwrap();
    let health = board.health().await;
    assert_eq!(health.parts, [told], "the last word counts");
    assert!(health.is_ready());
    board.shutdown().await;
}

#[actix::test]
async fn a_part_that_cannot_be_used_keeps_the_board_from_starting() {
    let error = Callboard::builder().memory().tasks([]).refuse("mail", "no folder").start().await.unwrap_err();
    assert!(
        matches!(&error, StartError::Part { part: "mail", source } if source.to_string() == "no folder"),
        "{error:?}"
    );
    let twice = Callboard::builder().memory().tasks(tasks![same]).more_tasks(tasks![same, add_up]).start().await;
    assert!(twice.is_ok(), "the same task given twice is one: {:?}", twice.err());
}
