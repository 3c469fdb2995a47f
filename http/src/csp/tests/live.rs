//! Policies that change while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Actor as _;
use actix_web::{App, web};

use super::*;

fn one() -> Policy {
    policy([("default-src", "'self'")])
}

fn two() -> Policy {
    policy([("default-src", "'none'"), ("base-uri", "'none'"), ("frame-ancestors", "'none'")])
}

#[actix_web::test]
async fn a_policy_is_changed_by_a_message_and_holds_for_the_next_answer() {
    let live = LivePolicy::new(one());
    let actor = CspPolicy::new(live.clone()).start();
    let app = App::new().route("/", web::get().to(async || html("x"))).wrap(Csp::live(&live));
    let app = actix_web::test::init_service(app).await;
    assert_eq!(get(&app, "/").await.enforced(), Some("default-src 'self'"));

    let changed = actor.send(SetPolicy::enforce(two())).await.unwrap();
    assert_eq!(changed, PolicyChanged { revision: 2, lints: vec![] });
    assert_eq!(get(&app, "/").await.enforced(), Some(two().to_string().as_str()));

    // The one that is not named stays.
    let changed = actor.send(SetPolicy::report_only(one())).await.unwrap();
    assert_eq!(changed.revision, 3);
    assert_eq!(changed.lints.iter().map(|lint| lint.kind).collect::<Vec<_>>(), [LintKind::NobodyListens]);
    let answer = get(&app, "/").await;
    assert_eq!((answer.enforced().is_some(), answer.reported()), (true, Some("default-src 'self'")));
    assert_eq!(actor.send(GetPolicy).await.unwrap(), Policies::from(two()).and_report_only(one()));

    actor.send(SetPolicy::both(Policies::default())).await.unwrap();
    let answer = get(&app, "/").await;
    assert_eq!((answer.enforced(), answer.reported()), (None, None));
    assert_eq!((live.revision(), live.policies()), (4, Policies::default()));
}

#[test]
fn changes_from_many_threads_are_all_made_and_readers_see_whole_ones() {
    let live = LivePolicy::new(Policies::from(one()).and_report_only(one()));
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (live, done) = (live.clone(), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Relaxed) {
                let policies = live.policies();
                assert_eq!(policies.enforce, policies.report_only, "half of a change was seen");
            }
        }
    });
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let live = live.clone();
            std::thread::spawn(move || {
                for i in 0..50 {
                    let policy = if (n + i) % 2 == 0 { one() } else { two() };
                    live.set(&SetPolicy::both(Policies::from(policy.clone()).and_report_only(policy)));
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert_eq!(live.revision(), 201);
}
