//! Reports as browsers send them, and what is left of them.

use callboard_tasks::Timestamp;

use super::*;
use crate::csp::reports::normalise::{Circumstances, normalise};
use crate::csp::reports::parse::{Format, Parsed, Unreadable, parse};
use crate::csp::reports::strip::{sample, shown_path, text};

/// As Chromium 156 sends it to `report-uri`.
const OLD: &str = r#"{"csp-report":{"document-uri":"http://127.0.0.1:8000/tasks/42?token=secret","referrer":"http://127.0.0.1:8000/?q=secret","violated-directive":"img-src","effective-directive":"img-src","original-policy":"default-src 'none'; script-src 'nonce-AbCdEfGhIjKlMnOpQrStUv'; report-uri /csp/reports","disposition":"enforce","blocked-uri":"http://evil.invalid/x.png?secret=1","line-number":7,"column-number":12,"source-file":"http://127.0.0.1:8000/app.js?v=secret","status-code":200,"script-sample":""}}"#;

/// As Chromium 156 sends it to `report-to`.
const NEW: &str = r#"[{"age":59,"body":{"blockedURL":"http://evil.invalid/x.png?secret=1","columnNumber":12,"disposition":"enforce","documentURL":"http://127.0.0.1:8000/tasks/42?token=secret","effectiveDirective":"img-src","lineNumber":7,"originalPolicy":"default-src 'none'; script-src 'nonce-ZyXwVuTsRqPoNmLkJiHgFe'; report-uri /csp/reports","referrer":"","sample":"","sourceFile":"http://127.0.0.1:8000/app.js?v=secret","statusCode":200},"type":"csp-violation","url":"http://127.0.0.1:8000/tasks/42?token=secret","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"}]"#;

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

fn about<'a>(user_agent: &'a str, route: &'a dyn Fn(&str) -> Option<String>) -> Circumstances<'a> {
    Circumstances { now: Timestamp::UNIX_EPOCH, user_agent, route }
}

fn violations(format: Format, body: &str) -> Vec<Option<CspViolation>> {
    let route = |path: &str| path.starts_with("/tasks/").then(|| "/tasks/{id}".to_owned());
    parse(format, body.as_bytes())
        .unwrap()
        .violations
        .iter()
        .map(|raw| normalise(raw, &about(CHROME, &route)))
        .collect()
}

/// The violation of an old report with these members.
fn old(members: &str) -> Option<CspViolation> {
    violations(Format::Old, &format!(r#"{{"csp-report":{{{members}}}}}"#)).remove(0)
}

#[test]
fn both_formats_become_the_same_violation_without_a_secret() {
    let one = violations(Format::Old, OLD).remove(0).unwrap();
    assert_eq!(Some(&one), violations(Format::List, NEW)[0].as_ref());
    assert_eq!(violations(Format::Either, OLD), violations(Format::Either, NEW));
    assert_eq!(one.blocked, Blocked::Origin("http://evil.invalid".into()));
    assert_eq!(one.directive, "img-src");
    assert_eq!(one.page, "/tasks/{id}");
    assert_eq!(one.source, Some(Position { file: "/app.js".into(), line: 7, column: 12 }));
    assert_eq!((one.disposition, one.status, one.browser, one.count), (Disposition::Enforce, Some(200), "Chrome", 1));
    assert_eq!(one.policy.len(), 16);
    let kept = format!("{one:?}");
    for secret in ["secret", "AbCdEf", "?", "q="] {
        assert!(!kept.contains(secret), "{secret} was kept: {kept}");
    }
}

#[test]
fn what_was_blocked_is_told_in_few_ways() {
    let page = r#""document-uri":"https://app.example/""#;
    for (blocked, expected) in [
        ("inline", Blocked::Inline),
        ("eval", Blocked::Eval),
        ("wasm-eval", Blocked::WasmEval),
        ("trusted-types-sink", Blocked::TrustedTypes),
        ("data", Blocked::Scheme("data".into())),
        ("data:image/png;base64,c2VjcmV0", Blocked::Scheme("data".into())),
        ("blob", Blocked::Scheme("blob".into())),
        ("https://app.example/upload/9f86d081884c7d659a2feaa0c55ad015.js?x=1", Blocked::Own("/upload/{}".into())),
        ("https://user:pw@CDN.example:443/a?b", Blocked::Origin("https://cdn.example".into())),
        ("https://cdn.example:8443/a", Blocked::Origin("https://cdn.example:8443".into())),
        ("wss://live.example/socket", Blocked::Origin("wss://live.example".into())),
        ("", Blocked::Unknown),
        ("what is this", Blocked::Unknown),
    ] {
        assert_eq!(old(&format!(r#"{page},"blocked-uri":{blocked:?}"#)).unwrap().blocked, expected, "{blocked}");
    }
}

#[test]
fn members_may_be_missing_null_or_of_another_type() {
    for members in [
        "",
        r#""document-uri":null,"blocked-uri":null,"status-code":null,"line-number":null"#,
        r#""document-uri":1,"blocked-uri":[],"status-code":"200","line-number":-1,"column-number":1.5"#,
        r#""line-number":99999999999999999999,"status-code":99999,"disposition":{}"#,
    ] {
        let violation = old(members).unwrap();
        assert_eq!((violation.page.as_str(), violation.directive.as_str()), ("unknown", "unknown"), "{members}");
        assert_eq!((violation.status, violation.source.clone()), (None, None), "{members}");
        assert_eq!(violation.disposition, Disposition::Enforce);
    }
    let ancient = old(r#""violated-directive":"Script-Src 'self' 'nonce-abc'","status-code":0"#).unwrap();
    assert_eq!((ancient.directive.as_str(), ancient.status), ("script-src", None));
    assert_eq!(old(r#""effective-directive":"<script>""#).unwrap().directive, "unknown");
    let unnamed = r#"[{"type":"csp-violation","body":{"effectiveDirective":"img-src"},"url":"https://app.example/a"}]"#;
    assert_eq!(violations(Format::List, unnamed)[0].as_ref().unwrap().page, "/a");
}

#[test]
fn a_body_that_is_no_report_is_refused() {
    let of = |format, body: &str| parse(format, body.as_bytes());
    assert_eq!(of(Format::Old, "{"), Err(Unreadable::Json));
    assert_eq!(of(Format::Old, "[]"), Err(Unreadable::Form("it must be an object")));
    assert_eq!(of(Format::List, "{}"), Err(Unreadable::Form("it must be a list")));
    assert_eq!(of(Format::Either, "1"), Err(Unreadable::Form("it must be an object or a list")));
    assert_eq!(of(Format::Old, "{}"), Err(Unreadable::Form("there must be an object under \"csp-report\"")));
    assert_eq!(of(Format::List, "[1]"), Err(Unreadable::Form("each must be an object")));
    let list = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
    assert_eq!(of(Format::List, &list(50)), Ok(Parsed { violations: vec![], others: 50 }));
    assert_eq!(of(Format::List, &list(51)), Err(Unreadable::Many));
    let deep = |n: usize| format!("[{{\"type\":{}{}}}]", "[".repeat(n), "]".repeat(n));
    assert_eq!(of(Format::List, &deep(6)), Ok(Parsed { violations: vec![], others: 1 }));
    assert_eq!(of(Format::List, &deep(7)), Err(Unreadable::Depth));
    assert_eq!(of(Format::List, &"[".repeat(60_000)), Err(Unreadable::Depth));
    // Brackets in texts are no levels.
    assert_eq!(of(Format::List, r#"[{"type":"[[[[[[[[[[\"{{{{{{"}]"#), Ok(Parsed { violations: vec![], others: 1 }));
    assert_eq!(of(Format::List, "[{\"type\":\"csp-hash\",\"body\":{}},{\"type\":\"deprecation\"}]").unwrap().others, 2);
}

#[test]
fn media_types_are_known_however_they_are_written() {
    for (kind, format) in [
        ("application/csp-report", Some(Format::Old)),
        ("Application/CSP-Report; charset=utf-8", Some(Format::Old)),
        ("application/reports+json", Some(Format::List)),
        ("application/json;charset=UTF-8", Some(Format::Either)),
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("", None),
    ] {
        assert_eq!(Format::of(kind), format, "{kind}");
    }
}

#[test]
fn what_extensions_and_scanners_do_is_noise() {
    for members in [
        r#""blocked-uri":"chrome-extension://abcdef/x.js""#,
        r#""blocked-uri":"moz-extension""#,
        r#""source-file":"safari-web-extension://1/x.js","blocked-uri":"inline""#,
        r#""blocked-uri":"about""#,
        r#""document-uri":"about:blank""#,
        r#""blocked-uri":"https://gc.kis.v2.scr.kaspersky-labs.com/x/main.js""#,
        r#""blocked-uri":"https://translate.googleapis.com:443/a""#,
    ] {
        assert_eq!(old(members), None, "{members}");
    }
    assert!(old(r#""blocked-uri":"https://notkaspersky-labs.com/""#).is_some());
    assert!(old(r#""blocked-uri":"https://aboutus.example/""#).is_some());
}

#[test]
fn samples_are_short_and_hold_no_secret() {
    for (sent, kept) in [
        ("alert(1)", "alert(1)"),
        ("el.nonce='abcDEF123'; x()", "el.nonce='…'; x()"),
        ("<script nonce=\"abcDEF123\">", "<script nonce=\"…\">"),
        ("'nonce-abcDEF123' 'sha256-abc='", "'nonce-…' 'sha256-…'"),
        ("fetch('/x?token=secret&a=b')", "fetch('/x?…')"),
        ("go('/x#access_token=secret')", "go('/x#…')"),
        ("a('https://me:pw@host/')", "a('https://…@host/')"),
        ("x = a ? b : c", "x = a ? b : c"),
        ("color: #fff", "color: #fff"),
        ("füße ✓ und mehr und noch viel mehr davon bitte", "füße ✓ und mehr und noch viel mehr davon"),
        ("a\nb\r\u{1b}[31m", "a\u{fffd}b\u{fffd}\u{fffd}[31m"),
    ] {
        assert_eq!(sample(sent), kept);
    }
    assert_eq!(sample(&"?a=b ".repeat(10_000)).chars().count(), 40);
    assert_eq!(sample(&format!("{}nonce-secret", "x".repeat(250))).chars().count(), 40);
}

#[test]
fn paths_hold_no_ids_and_texts_are_bounded() {
    for (path, kept) in [
        ("/", "/"),
        ("", "/"),
        ("/orders/123/items", "/orders/{}/items"),
        ("/reset/eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "/reset/{}"),
        ("/tasks/0193c5e0-7f1e-7abc-8def-0123456789ab", "/tasks/{}"),
        ("/u/ann@example.com", "/u/{}"),
        ("/v2/docs/getting-started.html", "/v2/docs/getting-started.html"),
        ("/search?q=secret", "/search"),
    ] {
        assert_eq!(shown_path(path), kept);
    }
    let long = text(&"ü".repeat(10_000));
    assert!(long.len() <= 512 && long.chars().all(|c| c == 'ü'));
    assert_eq!(text("a\u{202e}b\u{7f}"), "a\u{fffd}b\u{fffd}");
}

#[test]
fn browsers_are_told_apart() {
    for (user_agent, family) in [
        (CHROME, "Chrome"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "Safari"),
        ("curl/8", "other"),
        ("", "other"),
    ] {
        let parsed = parse(Format::Old, OLD.as_bytes()).unwrap();
        let violation = normalise(&parsed.violations[0], &about(user_agent, &|_| None)).unwrap();
        assert_eq!((violation.browser, violation.page.as_str()), (family, "/tasks/{}"));
    }
}

proptest::proptest! {
    #[test]
    fn any_report_leaves_bounded_printable_texts(members in proptest::collection::vec("\\PC{0,80}|(https?|data|inline)(://[a-z@?#=]{0,30})?", 6)) {
        let raw = serde_json::json!({"csp-report": {
            "document-uri": members[0], "blocked-uri": members[1], "source-file": members[2],
            "script-sample": members[3], "effective-directive": members[4], "original-policy": members[5],
        }});
        if let Some(violation) = violations(Format::Old, &raw.to_string()).remove(0) {
            let source = violation.source.map(|source| source.file).unwrap_or_default();
            for kept in [violation.directive, violation.blocked.to_string(), violation.page, source, violation.sample, violation.policy] {
                proptest::prop_assert!(kept.len() <= 1_100 && !kept.contains(char::is_control), "{kept:?}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = parse(Format::Either, &body);
    }
}

#[test]
fn an_entry_that_is_a_list_is_no_report() {
    for body in ["[[null, null]]", "[[]]", "[null]", "[1]", "[\"csp-violation\"]"] {
        assert!(matches!(parse(Format::List, body.as_bytes()), Err(Unreadable::Form(_))), "{body}");
    }
}
