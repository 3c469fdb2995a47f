//! What is right in a policy but weak.

use super::*;

#[track_caller]
fn kinds<V: Into<SettingValue>>(settings: impl IntoIterator<Item = (&'static str, V)>) -> Vec<LintKind> {
    policy(settings).lint().into_iter().map(|lint| lint.kind).collect()
}

#[test]
fn a_strict_policy_has_nothing_weak() {
    let policy = Policy::strict()
        .script_src([Source::Nonce, Source::StrictDynamic, Source::scheme("https:").unwrap(), Source::Any])
        .style_src([Source::SelfOrigin, Source::Nonce])
        .report("/csp/reports")
        .build()
        .unwrap();
    assert_eq!(policy.lint(), []);
    assert_eq!(Policies::from(policy.clone()).and_report_only(policy).lint(), []);
}

#[test]
fn what_is_missing_is_named() {
    use LintKind::*;
    assert_eq!(
        kinds([("img-src", "'self'")]),
        [ScriptsUnrestricted, NoObjectSrc, NoBaseUri, NoFrameAncestors],
        "nothing holds for scripts"
    );
    assert_eq!(kinds([("default-src", "'self'")]), [NoBaseUri, NoFrameAncestors]);
    let lint = policy([("default-src", "'self'")]).lint().remove(0);
    assert_eq!(
        lint.to_string(),
        "base-uri is missing, and default-src does not hold for it: an injected <base> redirects every relative \
         address; write [\"'none'\"]"
    );
}

#[test]
fn weak_sources_are_named() {
    use LintKind::*;
    let rest = [("object-src", "'none'"), ("base-uri", "'none'"), ("frame-ancestors", "'none'")];
    for (directive, value, expected) in [
        ("script-src", "*", vec![Wildcard]),
        ("script-src", "https: data:", vec![Wildcard, Wildcard]),
        ("script-src", "'unsafe-inline'", vec![UnsafeInline]),
        ("script-src", "'unsafe-inline' nonce", vec![UnsafeInlineIgnored]),
        (
            "script-src",
            "'unsafe-inline' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='",
            vec![UnsafeInlineIgnored],
        ),
        ("script-src", "'unsafe-eval' 'self'", vec![UnsafeEval]),
        ("script-src", "'strict-dynamic'", vec![StrictDynamicAlone]),
        ("script-src", "'strict-dynamic' 'unsafe-inline'", vec![UnsafeInlineIgnored, StrictDynamicAlone]),
        ("script-src", "'unsafe-hashes' 'self'", vec![UnsafeHashesAlone]),
        ("script-src", "http://cdn.example.com", vec![PlainHttp]),
        ("script-src", "http://localhost:3000 http://127.0.0.1", vec![]),
        ("script-src", "https://10.0.0.1:8000/x", vec![IpAddress]),
        ("script-src", "'self' 'wasm-unsafe-eval' https://cdn.example.com", vec![]),
        ("default-src", "*", vec![Wildcard]),
    ] {
        assert_eq!(kinds([(directive, value)].into_iter().chain(rest)), expected, "{directive} {value}");
    }
    let images = [("script-src", "'self'"), ("img-src", "data: https:")];
    assert_eq!(kinds(images.into_iter().chain(rest)), [Wildcard], "pictures as data are no danger, everybody's are");
    let sandbox = [("script-src", "'self'"), ("sandbox", "allow-scripts allow-same-origin")];
    assert_eq!(kinds(sandbox.into_iter().chain(rest)), [SandboxLeft]);
    let obsolete = policy([("block-all-mixed-content", true), ("upgrade-insecure-requests", true)]);
    assert!(obsolete.lint().iter().any(|lint| lint.kind == Obsolete));
}

#[test]
fn a_policy_that_only_reports_must_say_whom_to() {
    use LintKind::*;
    let silent = policy([("sandbox", true), ("upgrade-insecure-requests", true)]);
    let kinds = |policies: Policies| policies.lint().into_iter().map(|lint| lint.kind).collect::<Vec<_>>();
    assert_eq!(kinds(Policies::report_only(silent)), [NobodyListens, NotInReportOnly, NotInReportOnly]);

    let reporting = |group, uri| Policy::strict().report_as(group, uri).build().unwrap();
    let clash = Policies::from(reporting("csp", "/a")).and_report_only(reporting("csp", "/b"));
    assert_eq!(kinds(clash), [EndpointClash]);
    assert_eq!(kinds(Policies::from(reporting("csp", "/a")).and_report_only(reporting("other", "/b"))), []);
}
