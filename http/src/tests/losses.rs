//! What reading a body into values would lose in silence is refused.

use super::*;

#[actix_web::test]
async fn numbers_that_would_change_and_members_that_would_vanish_are_refused() {
    const NUMBER: &str = "is a whole number beyond 64 bits; send it as text";
    const TWICE: &str = "is given more than once";
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let many: String = (0..100).rev().map(|n| format!(r#""k{n}": 0, "#)).collect();
    for (args, pointer, detail) in [
        (r#"[18446744073709551616, 1]"#.to_owned(), "#/args/0", NUMBER),
        (r#"{"a": 1, "b": -9223372036854775809}"#.to_owned(), "#/args/b", NUMBER),
        (r#"{"a": [0, {"x/y~": [1, 123456789012345678901234567890]}]}"#.to_owned(), "#/args/a/1/x~1y~0/1", NUMBER),
        (r#"{"a": {"x": 1, "x": 2}}"#.to_owned(), "#/args/a/x", TWICE),
        (r#"[[{"x": {"x": 1}, "y": [{"x": 1}], "\u0078": 2}]]"#.to_owned(), "#/args/0/0/x", TWICE),
        (format!(r#"[{{{many}"k7": 1}}]"#), "#/args/0/k7", TWICE),
    ] {
        let answer = ask(&app, enqueue(&format!(r#"{{"task": "add", "args": {args}}}"#))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "validation-failed"), "{args}");
        assert_eq!(answer.pointers(), [pointer], "{args}");
        assert_eq!(answer.json()["errors"][0]["detail"], detail, "{args}");
    }
    for (metadata, pointer) in
        [(r#"{"n": 18446744073709551616}"#, "#/metadata/n"), (r#"{"x": 1, "x": 2}"#, "#/metadata/x")]
    {
        let answer = ask(&app, enqueue(&format!(r#"{{"task": "add", "args": [1, 2], "metadata": {metadata}}}"#))).await;
        assert_eq!(answer.problem(), "validation-failed", "{metadata}");
        assert_eq!(answer.pointers(), [pointer], "{metadata}");
    }
}

#[actix_web::test]
async fn a_hundred_thousand_unknown_members_cost_little_more_than_twenty() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let members: Vec<_> = (0..90_000).map(|n| format!("\"k{n}\":1")).collect();
    let begun = std::time::Instant::now();
    let answer = ask(&app, enqueue(&format!("{{{}}}", members.join(",")))).await;
    assert_eq!((answer.problem().as_str(), answer.pointers().len()), ("validation-failed", 20));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn what_only_looks_like_a_number_beyond_64_bits_or_like_a_member_given_twice_is_taken() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for metadata in [
        r#"{"n": [18446744073709551615, -9223372036854775808, 18446744073709551616.0, 1e30, -0]}"#,
        r#"{"text": "18446744073709551616, \"x\": 1, \"x\": 2"}"#,
        r#"{"a": {"x": 1}, "b": {"x": 1, "X": 1, "": {"x": "x"}}, "list": ["x", "x", {"x": 1}, {"x": 1}]}"#,
    ] {
        let body = format!(r#"{{"task": "add", "args": [1, 2], "metadata": {metadata}}}"#);
        let answer = ask(&app, enqueue(&body)).await;
        assert_eq!(answer.status, 202, "{metadata}: {}", answer.json());
        let args = format!(r#"{{"task": "add", "args": {{"a": {metadata}, "b": 1}}}}"#);
        // The wrong type alone is at fault.
        assert_eq!(ask(&app, enqueue(&args)).await.pointers(), ["#/args/a"], "{metadata}");
    }
}
