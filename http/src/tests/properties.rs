//! Whatever a client sends, the answer is one of those that there are, and none says that the server has failed.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;

use super::*;
use crate::cursor;

/// Cases of a strategy: as many as `PROPTEST_CASES` says, the same in every run.
fn cases<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    config.rng_seed = RngSeed::Fixed(7);
    let count = config.cases;
    let mut runner = TestRunner::new(config);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Any JSON, odd numbers and texts among it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![Just("5m"), Just("2026-11-22T10:00:00Z"), Just("add"), Just("default"), Just("\0"), Just("return")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A call, of which some members are anything.
fn any_call() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("task"),
        Just("args"),
        Just("queue"),
        Just("backend"),
        Just("priority"),
        Just("run_after"),
        Just("max_attempts"),
        Just("timeout_ms"),
        Just("expires_at"),
        Just("tags"),
        Just("metadata"),
        Just("unique"),
        Just("limit_key"),
        Just("other"),
    ];
    btree_map(names, any_json(), 0..4).prop_map(|members| {
        let mut call = json!({"task": "add", "args": [1, 2], "run_after": "1h"});
        for (name, value) in members {
            call[name] = value;
        }
        call
    })
}

#[actix_web::test]
async fn any_call_is_taken_or_refused_with_a_pointer() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let mut taken = 0;
    for call in cases(&any_call()) {
        let answer = ask(&app, enqueue(&call.to_string())).await;
        match answer.status.as_u16() {
            200 | 202 => taken += 1,
            422 => assert!(!answer.problem().is_empty(), "{call}"),
            other => panic!("{other} for {call}: {answer:?}"),
        }
        // The same in a batch, each for itself.
        let batch = post("/enqueue/batch").insert_header(("content-type", "application/json"));
        let batch = batch.set_payload(json!({"atomic": false, "tasks": [call]}).to_string());
        let alone = ask(&app, batch).await.json()["items"][0]["status"].as_u64().unwrap();
        assert!([200, 202, 422].contains(&alone), "{alone} for {call}");
    }
    assert!(taken > 0, "nothing was ever taken, so nothing was tried");
}

#[actix_web::test]
async fn any_body_is_answered() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for bytes in
        cases(&prop_oneof![vec(any::<u8>(), 0..64), "[\\[\\]{}\",:0-9a-z\\\\ ]{0,64}".prop_map(String::into_bytes)])
    {
        for path in ["/enqueue", "/enqueue/batch"] {
            let request = post(path).insert_header(("content-type", "application/json")).set_payload(bytes.clone());
            let status = ask(&app, request).await.status.as_u16();
            assert!([400, 422].contains(&status), "{status} for {bytes:?} to {path}");
        }
        for kind in ["application/csp-report", "application/reports+json"] {
            // Each from another address, because each may only report so often.
            let peer = std::net::Ipv4Addr::from_bits(0x0a00_0000 | rand_of(&bytes));
            let request = TestRequest::post().uri("/csp/reports").peer_addr((peer, 5_000).into());
            let request = request.insert_header(("content-type", kind)).set_payload(bytes.clone());
            let status = ask(&app, request).await.status.as_u16();
            assert!([204, 400, 429].contains(&status), "{status} for {bytes:?} as {kind}");
        }
    }
}

fn rand_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte))) & 0x00ff_ffff
}

#[actix_web::test]
async fn any_filter_is_applied_or_refused() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let names = prop_oneof![
        Just("status"),
        Just("phase"),
        Just("task"),
        Just("queue"),
        Just("backend"),
        Just("tag"),
        Just("since"),
        Just("until"),
        Just("limit"),
        Just("cursor"),
        Just("q"),
    ];
    let values = prop_oneof![
        any::<String>(),
        "[A-Za-z0-9_.:-]{0,20}",
        Just("READY".to_owned()),
        Just("ready".to_owned()),
        Just("default".to_owned()),
        Just("add".to_owned()),
        Just("2026-11-22T10:00:00Z".to_owned()),
        (0..300_u32).prop_map(|n| n.to_string()),
    ];
    for pairs in cases(&btree_map(names, values, 0..4)) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&pairs);
        let query = query.finish();
        for path in ["/tasks", "/ui/tasks"] {
            let status = ask(&app, get(&format!("{path}?{query}"))).await.status.as_u16();
            assert!([200, 400, 422].contains(&status), "{status} for {path}?{query}");
        }
    }
}

proptest! {
    #[test]
    fn a_text_is_a_cursor_only_if_it_was_written_as_one(text in "(1[0-9a-f]{36}|.{0,40})", backend in "[a-z]{1,8}") {
        if let Some(id) = cursor::read(&backend, &text) {
            prop_assert_eq!(cursor::write(&backend, id), text);
        }
    }

    #[test]
    fn a_cursor_is_read_back(bits in any::<u128>(), backend in "[a-z]{1,8}") {
        let id = JobId::from_uuid(uuid::Uuid::from_u128(bits));
        prop_assert_eq!(cursor::read(&backend, &cursor::write(&backend, id)), Some(id));
    }
}
