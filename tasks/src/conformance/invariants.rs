//! What holds whatever happens: random operations on a store, each checked against a model of it.
//!
//! The model keeps every job and moves it by the steps of [`Job`](crate::Job). After each operation every job ever
//! enqueued is read back: it is in exactly one phase, the same by id, in the list and in the numbers; a run belongs
//! to one claim; what has ended stays as it ended until a person says otherwise; attempts and errors fit each
//! other; and what was pruned had ended long enough ago. A store is free to notice late that a time has come.

/// Returns with a message unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

mod model;
mod operations;
mod rules;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use self::model::Model;
use self::operations::{Operation, operations};
use super::*;

/// After half of the deadline no new sequence is begun, so that a slow store is tried less often, not failed.
const TIME: std::time::Duration = DEADLINE.checked_div(2).expect("two is not zero");

/// Sixty sequences of up to fifty operations; set `PROPTEST_CASES` for more. A failure is cut down to the shortest
/// sequence that still fails.
pub async fn a_store_does_what_the_model_says(stage: &Stage) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let begin = Instant::now();
    for _ in 0..cases {
        if begin.elapsed() > TIME {
            break;
        }
        let mut sequence = operations().new_tree(&mut runner).expect("operations can always be made up");
        if let Err(problem) = play(stage, &sequence.current()).await {
            let (operations, problem) = shorten(stage, &mut sequence, problem, begin).await;
            panic!("{problem}\nafter the last of these operations: {operations:#?}");
        }
    }
}

/// Looks for a shorter sequence that fails too, while there is time.
async fn shorten(
    stage: &Stage,
    sequence: &mut impl ValueTree<Value = Vec<Operation>>,
    problem: String,
    begin: Instant,
) -> (Vec<Operation>, String) {
    let mut shortest = (sequence.current(), problem);
    let mut shorter = sequence.simplify();
    while shorter && begin.elapsed() < TIME + TIME / 2 {
        let operations = sequence.current();
        shorter = match play(stage, &operations).await {
            Ok(()) => sequence.complicate(),
            Err(problem) => {
                shortest = (operations, problem);
                sequence.simplify()
            }
        };
    }
    shortest
}

async fn play(stage: &Stage, operations: &[Operation]) -> Result<(), String> {
    let stage = stage.another().await;
    let mut model = Model::default();
    for (n, operation) in operations.iter().enumerate() {
        let step = async {
            model.act(&stage, operation).await?;
            model.check(&stage).await
        };
        let result = AssertUnwindSafe(step).catch_unwind().await;
        result
            .unwrap_or_else(|_| Err("the store refused what it must do (see above)".into()))
            .map_err(|problem| format!("operation {n}: {problem}"))?;
    }
    Ok(())
}
