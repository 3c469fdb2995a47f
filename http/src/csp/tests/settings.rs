//! Policies out of settings, in the shape of Django's.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Map = BTreeMap<String, Vec<String>>;

#[test]
fn settings_that_say_nothing_make_no_policy() {
    // Django 138
    assert_eq!(Policy::from_settings(Map::new()), Ok(None));
    // Django 144
    assert_eq!(Policy::from_settings([("default-src", Vec::<&str>::new())]), Ok(None));
    // Django 143
    assert_eq!(Policy::from_settings([("default-src", None::<&str>), ("sandbox", None)]), Ok(None));
    assert_eq!(Policy::from_settings([("upgrade-insecure-requests", false)]), Ok(None));
}

#[test]
fn directives_stand_in_the_order_of_the_map() {
    // Django 139
    assert_eq!(policy([("default-src", ["'self'"])]).to_string(), "default-src 'self'");
    // Django 140
    let two = policy([("script-src", vec!["'self'", "nonce"]), ("default-src", vec!["'self'"])]);
    assert_eq!(sent(&two, None), "script-src 'self'; default-src 'self'");
    let map: Map = [("script-src", "'self'"), ("default-src", "'none'")]
        .map(|(name, value)| (name.to_owned(), vec![value.to_owned()]))
        .into();
    assert_eq!(policy_of(map), "default-src 'none'; script-src 'self'");
}

fn policy_of(map: Map) -> String {
    Policy::from_settings(map).unwrap().unwrap().to_string()
}

#[test]
fn a_value_is_a_list_of_one_and_may_hold_several_as_in_a_header() {
    // Django 141
    let one = policy([("img-src", "'self'")]);
    assert_eq!(one, policy([("img-src", ["'self'"])]));
    assert_eq!(
        policy([("img-src", "'self' https://a.example")]),
        policy([("img-src", ["'self'", "https://a.example"])])
    );
}

#[test]
fn a_set_has_the_same_order_every_time() {
    // Django 142
    let set: BTreeSet<&str> = ["foo.com", "'self'", "bar.com"].into();
    assert_eq!(policy([("default-src", set)]).to_string(), "default-src 'self' bar.com foo.com");
}

#[test]
fn true_is_a_directive_without_values() {
    // Django 143
    let both = policy([("upgrade-insecure-requests", true), ("block-all-mixed-content", true)]);
    assert_eq!(both.to_string(), "upgrade-insecure-requests; block-all-mixed-content");
    assert_eq!(policy([("sandbox", true)]).to_string(), "sandbox");
    assert_eq!(
        problems([("script-src", true)]),
        ["script-src is true, but must say what is allowed; write [\"'self'\"], or [\"'none'\"] for nothing"]
    );
    assert_eq!(
        problems([("upgrade-insecure-requests", "yes")]),
        ["upgrade-insecure-requests: \"yes\" is not wanted; write true"]
    );
}

#[test]
fn an_empty_value_is_refused() {
    // Django 145
    for empty in ["", "  "] {
        assert_eq!(
            problems([("script-src", vec![empty])]),
            ["script-src: \"\" is empty; leave it out, write \"'none'\" to allow nothing, or true for a directive \
              without values"]
        );
    }
    assert_eq!(problems([("script-src", vec!["'self'", ""])]).len(), 1);
}

#[test]
fn the_nonce_stands_where_its_place_is() {
    let nonce = text_of_nonce();
    // Django 146
    assert_eq!(sent(&policy([("script-src", "'self'")]), Some(&nonce)), "script-src 'self'");
    // Django 147
    let several =
        policy([("script-src", ["'self'", "nonce", "a.example"]), ("style-src", ["nonce", "'self'", "b.example"])]);
    let expected = format!("script-src 'self' 'nonce-{nonce}' a.example; style-src 'nonce-{nonce}' 'self' b.example");
    assert_eq!(sent(&several, Some(&nonce)), expected);
    // Django 153
    let django = policy([("script-src", ["'self'", "<CSP_NONCE_SENTINEL>"])]);
    assert_eq!(django, policy([("script-src", ["'self'", "nonce"])]));
    assert_eq!(django, policy([("script-src", ["'self'", "'nonce'"])]));
}

#[test]
fn a_nonce_that_nobody_used_leaves_its_place_empty_and_never_the_directive() {
    // Django 148
    assert_eq!(sent(&policy([("script-src", ["'self'", "nonce"])]), None), "script-src 'self'");
    // Django drops the directive, and default-src takes over: here `'self'` would come back.
    let alone = policy([("default-src", ["'self'"]), ("script-src", ["nonce"])]);
    assert_eq!(sent(&alone, None), "default-src 'self'; script-src 'none'");
}

#[test]
fn a_nonce_that_is_none_is_refused() {
    // Django 149
    for (wrong, detail) in [
        (
            "'nonce-<CSP_NONCE_SENTINEL>'",
            "has the place of the nonce inside a longer text; write \"nonce\" as a value of its own",
        ),
        ("'nonce-abc123'", "is a nonce that never changes, which everybody can read and use; write \"nonce\""),
        ("nonce-abc123", "is a nonce that never changes, which everybody can read and use; write \"nonce\""),
    ] {
        assert_eq!(problems([("script-src", wrong)]), [format!("script-src: {wrong:?} {detail}")]);
    }
}

#[test]
fn nothing_breaks_out_of_a_value() {
    // Django 150
    for (wrong, part) in [
        ("'self'; script-src *", "which ends a directive"),
        ("a.example, default-src *", "which begins another policy"),
    ] {
        for directive in ["default-src", "report-uri", "trusted-types", "sandbox", "webrtc", "report-to"] {
            let found = problems([(directive, wrong)]);
            assert!(found[0].contains(part), "{found:?}");
        }
    }
    // Django 151
    for wrong in ["'self'\r\nSet-Cookie: a=b", "'self'\n", "a\0b", "a\tb"] {
        let found = problems([("default-src", wrong)]);
        assert!(found[0].contains("line break or another control character"), "{found:?}");
    }
}

#[test]
fn what_is_given_twice_is_kept_once() {
    // Django 152
    let folded = policy([("img-src", ["'self'", "a.example", "'self'"])]);
    assert_eq!(folded.to_string(), "img-src 'self' a.example");
    assert_eq!(
        problems([("img-src", "'self'"), ("Img-Src", "*")]),
        ["Img-Src is given twice, and browsers heed the first one alone; give all its values at once"]
    );
}

#[test]
fn every_keyword_of_django_means_the_same() {
    // Django 153
    for keyword in [
        "'none'",
        "'report-sample'",
        "'self'",
        "'strict-dynamic'",
        "'unsafe-eval'",
        "'unsafe-hashes'",
        "'unsafe-inline'",
        "'wasm-unsafe-eval'",
    ] {
        assert_eq!(policy([("script-src", keyword)]).to_string(), format!("script-src {keyword}"));
    }
}

#[test]
fn a_slip_is_found_with_what_was_meant() {
    for (key, value, problem) in [
        ("script_src", "'self'", "script_src is no directive; did you mean script-src?"),
        ("default", "'self'", "default is no directive; did you mean default-src?"),
        ("x", "'self'", "x is no directive; remove it, or write a directive such as script-src"),
        ("plugin-types", "a/b", "plugin-types is obsolete; write object-src = [\"'none'\"]"),
        ("script-src", "self", "script-src: \"self\" is a keyword without its quotes; write \"'self'\""),
        ("script-src", "none", "script-src: \"none\" is a keyword without its quotes; write \"'none'\""),
        ("script-src", "'sefl'", "script-src: \"'sefl'\" is no keyword; did you mean \"'self'\"?"),
        (
            "script-src",
            "'example.com'",
            "script-src: \"'example.com'\" is no keyword; hosts are written without quotes",
        ),
        ("script-src", "'self", "script-src: \"'self\" has a quote on one side only; write keywords as in \"'self'\""),
        (
            "script-src",
            "'none' 'self'",
            "script-src: \"'none'\" stands beside other values, but means that there are none; remove it or them",
        ),
        (
            "img-src",
            "example.com:",
            "img-src: \"example.com:\" has a port that is none; write a number up to 65535, or \"*\"",
        ),
        ("webrtc", "block", "webrtc: \"block\" is not known here; write \"'allow'\" or \"'block'\""),
        (
            "sandbox",
            "allow-script",
            "sandbox: \"allow-script\" is nothing that a sandbox allows; did you mean allow-scripts?",
        ),
        (
            "report-uri",
            "csp",
            "report-uri: \"csp\" is no address; write a path as in \"/csp/reports\", or \"https://reports.example.com/csp\"",
        ),
        (
            "report-to",
            "csp",
            "report-to names an endpoint without an address; give report-uri as well: the endpoint is made of it, and \
             browsers that do not know report-to use it",
        ),
        ("report-to", "a b", "report-to: \"a b\" are several, but reports go to one endpoint"),
        (
            "frame-ancestors",
            "'unsafe-inline'",
            "frame-ancestors: \"'unsafe-inline'\" means nothing to frame-ancestors; it belongs to script-src, style-src, \
             their -elem and -attr forms and default-src, so remove it here",
        ),
        (
            "trusted-types",
            "'none' a",
            "trusted-types: \"'none'\" stands beside other values, but means that there are none; remove it or them",
        ),
    ] {
        assert_eq!(problems([(key, value)]), [problem]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let found = problems([
        ("script-scr", vec!["'self'"]),
        ("script-src", vec!["self", "'slef'", "a b;c"]),
        ("img-src", vec!["nonce"]),
        ("connect-src", vec!["'self'"]),
    ]);
    let starts = ["script-scr is no", "script-src: \"a b;c\" contains", "img-src: \"'nonce'\" means nothing"];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn what_is_shown_is_read_back() {
    let text = "default-src 'none'; script-src 'nonce' 'strict-dynamic' 'report-sha384' 'inline-speculation-rules'; \
                connect-src wss: *.example.com 'unsafe-webtransport-hashes'; report-uri /r https://r.example/x; report-to r";
    let settings = text.split("; ").map(|directive| directive.split_once(' ').unwrap());
    assert_eq!(policy(settings).to_string(), text);
}
