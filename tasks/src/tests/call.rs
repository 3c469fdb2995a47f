use super::support::{HOUR, MINUTE, START, add, ping, send};
use crate::{AnyCall, Call, Registry, RunAfter, Task, TaskOptions, Timestamp, resolve, task, tasks};

// Django 1
#[test]
fn a_bare_task_has_django_s_defaults() {
    let TaskOptions { queue, priority, backend, .. } = add::definition().options;
    assert_eq!((queue, priority, backend), ("default", 0, "default"));
    let job = resolve(add::with(1, 2).erase(), START).unwrap();
    assert_eq!((job.queue.as_ref(), job.priority, job.run_after), ("default", 0, None));
}

// Django 32
#[test]
fn a_task_sets_its_own_options_and_a_call_overrides_them() {
    let standard = resolve(send::with("ann", None).erase(), START).unwrap();
    assert_eq!((standard.queue.as_ref(), standard.priority, standard.retry.max_attempts), ("mail", 5, 3));
    assert_eq!(standard.expires_at, Some(START + HOUR));

    let call = send::with("ann", None).queue("bulk").priority(-1).max_attempts(1).expires("5m").timeout(MINUTE);
    let own = resolve(call.erase(), START).unwrap();
    assert_eq!((own.queue.as_ref(), own.priority, own.retry.max_attempts), ("bulk", -1, 1));
    assert_eq!((own.expires_at, own.timeout), (Some(START + 5 * MINUTE), Some(MINUTE)));
    assert_eq!(own.retry.backoff, standard.retry.backoff);
}

// Django 2
#[test]
fn setting_an_option_of_a_clone_leaves_the_original() {
    let call = add::with(1, 2);
    let urgent = call.clone().priority(1);
    assert_eq!((call.options().priority, urgent.options().priority), (None, Some(1)));
}

// Django 3
#[test]
fn calls_are_equal_if_they_ask_for_the_same() {
    let call = || add::with(1, 2).queue("math").tag("sum").run_after("5m");
    assert_eq!(call(), call());
    assert_ne!(call(), call().priority(1));
    assert_ne!(call(), add::with(2, 1).queue("math").tag("sum").run_after("5m"));
    assert_eq!(call().erase(), call().into());
    assert_ne!(ping::with().erase(), add::with(1, 2).erase());
}

// Django 4
#[test]
fn options_accumulate_and_steps_between_keep_theirs() {
    let between = add::with(1, 2).run_after(START);
    let both = between.clone().priority(10);
    assert_eq!((between.options().priority, &between.options().run_after), (None, &RunAfter::At(START)));
    assert_eq!((both.options().priority, &both.options().run_after), (Some(10), &RunAfter::At(START)));
}

// Django 5
#[test]
fn a_time_is_cleared_by_none() {
    let call = || add::with(1, 2).run_after(START);
    assert_eq!(call().run_after(None::<Timestamp>), add::with(1, 2));
    assert_eq!(call().run_after(RunAfter::Now), add::with(1, 2));
}

// Django 6
#[test]
fn a_task_is_one_definition_that_nobody_can_change() {
    // `definition()` lends it for ever, and only shared; a call carries its own options.
    let definition: &'static crate::TaskDefinition = add::definition();
    let _ = add::with(1, 2).queue("math").priority(100);
    assert!(std::ptr::eq(definition, add::definition()));
    assert_eq!(definition.options, TaskOptions::DEFAULT);
}

// Django 31
#[test]
fn the_function_stays_an_ordinary_function() {
    assert_eq!(futures::executor::block_on(add(2, 3)), 5);
    ping();
}

// Django 25
#[test]
fn a_task_may_stand_inside_a_function() {
    #[task(name = "nested.double")]
    fn double(n: u32) -> u32 {
        2 * n
    }
    assert_eq!(double(2), 4);
    assert_eq!(double::with(2).args_json().unwrap(), r#"{"n":2}"#);
    assert!(std::ptr::eq(Registry::of(tasks![double]).unwrap().get("nested.double").unwrap(), double::definition()));
}

// Django 44
#[test]
fn every_argument_is_normalised_under_its_name() {
    assert_eq!(send::with("ann", Some(2)).args_json().unwrap(), r#"{"to":"ann","copies":2}"#);
    let by_position = (send::definition().bind)(r#" [ "ann" ] "#).unwrap();
    let by_name = (send::definition().bind)(r#"{"to": "ann"}"#).unwrap();
    assert_eq!(by_position, by_name);
    assert_eq!(by_name.as_str(), r#"{"to":"ann","copies":null}"#);
}

#[test]
fn the_backend_of_a_call_is_its_own_or_its_task_s() {
    assert_eq!(add::with(1, 2).erase().backend(), "default");
    assert_eq!(send::with("ann", None).erase().backend(), "slow");
    assert_eq!(send::with("ann", None).backend("fast").erase().backend(), "fast");
    let foreign = AnyCall::named("their.task", None, crate::Json::null(), crate::CallOptions::default());
    assert_eq!((foreign.backend(), foreign.task()), ("default", "their.task"));
}

#[test]
fn an_argument_without_json_is_told_by_the_call_and_at_its_enqueue() {
    #[derive(serde::Serialize)]
    struct Args {
        a: f64,
    }
    let call: Call<add> = Call::from_args(&Args { a: f64::NAN });
    let wrong = call.args_json().unwrap_err();
    assert_eq!(wrong.problems[0].pointer, "#/args/a");
    assert_eq!(
        wrong.to_string(),
        r#"task "callboard_tasks.add" cannot be enqueued: args.a is NaN, which JSON does not have; send null or text"#
    );
    assert_eq!(resolve(call.erase(), START).unwrap_err(), wrong);
}
