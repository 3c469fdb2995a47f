//! What we send, read by an engine that decides as browsers do.

use content_security_policy::{
    CheckResult, CspList, Destination, Element, Initiator, InlineCheckType, Origin as UrlOrigin, ParserMetadata,
    PolicyDisposition, PolicySource, Request, Url,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn parse(header: &str) -> CspList {
    CspList::parse(header, PolicySource::Header, PolicyDisposition::Enforce)
}

/// The directives that the engine reads, each with its values.
fn directives(header: &str) -> Vec<(String, Vec<String>)> {
    let list = parse(header);
    assert_eq!(list.0.len(), 1, "{header}");
    assert!(list.is_valid(), "{header}");
    list.0[0].directive_set.iter().map(|directive| (directive.name.clone(), directive.value.clone())).collect()
}

/// The directives that a policy means.
fn meant(policy: &Policy, nonce: Option<&NonceText>) -> Vec<(String, Vec<String>)> {
    let text = match nonce {
        Some(nonce) => policy.to_string().replace("'nonce'", &format!("'nonce-{nonce}'")),
        None => sent(policy, None),
    };
    let words = |directive: &str| directive.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let split = text.split("; ").map(words).map(|words| (words[0].clone(), words[1..].to_vec()));
    split.filter(|(name, _)| name != "report-to").collect()
}

fn any_host() -> impl Strategy<Value = Source> {
    let scheme = option::of(select(vec!["https", "http", "wss"]));
    let port = option::of(select(vec![":443", ":8080", ":*"]));
    let path = option::of("/[a-zA-Z0-9_~!$&'()*+=:@.-]{0,12}");
    (scheme, any::<bool>(), "[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,6}){1,2}", port, path).prop_map(
        |(scheme, star, name, port, path)| {
            let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
            let star = if star { "*." } else { "" };
            host(&format!("{scheme}{star}{name}{}{}", port.unwrap_or_default(), path.unwrap_or_default()))
        },
    )
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        3 => any_host(),
        1 => select(vec!["https:", "data:", "blob:", "wss:"]).prop_map(|scheme| Source::scheme(scheme).unwrap()),
        1 => Just(Source::SelfOrigin),
        1 => Just(Source::Any),
    ]
}

fn any_script_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        3 => any_source(),
        2 => Just(Source::Nonce),
        1 => Just(Source::StrictDynamic),
        1 => Just(Source::ReportSample),
        1 => any::<Vec<u8>>().prop_map(Source::sha256_of),
        1 => any::<Vec<u8>>().prop_map(|text| Source::Hash(Hash::sha512_of(text))),
        1 => select(vec![Unsafe::Inline, Unsafe::Eval, Unsafe::WasmEval, Unsafe::Hashes]).prop_map(Source::Dangerous),
    ]
}

prop_compose! {
    fn any_policy()(
        images in option::of(vec(any_source(), 0..5)),
        connections in option::of(vec(any_source(), 0..5)),
        scripts in option::of(vec(any_script_source(), 0..6)),
        rest in option::of(vec(any_script_source(), 0..4)),
        ancestors in option::of(vec(select(vec![Origin::SelfOrigin, Origin::Any]), 0..2)),
        sandbox in option::of(subsequence(vec![Allow::Scripts, Allow::Forms, Allow::Popups, Allow::SameOrigin], 0..4)),
        types in option::of(vec("[a-z#=_/@.%-]{1,8}", 1..3)),
        upgrade in any::<bool>(),
        reports in any::<bool>(),
    ) -> Option<Policy> {
        let mut builder = Policy::builder();
        if let Some(rest) = rest { builder = builder.default_src(rest) }
        if let Some(images) = images { builder = builder.img_src(images) }
        if let Some(connections) = connections { builder = builder.connect_src(connections) }
        if let Some(scripts) = scripts { builder = builder.script_src(scripts) }
        if let Some(ancestors) = ancestors { builder = builder.frame_ancestors(ancestors) }
        if let Some(sandbox) = sandbox { builder = builder.sandbox(sandbox) }
        if let Some(types) = types { builder = builder.trusted_types(types) }
        if upgrade { builder = builder.upgrade_insecure_requests() }
        if reports { builder = builder.report("/csp/reports") }
        builder.build().ok()
    }
}

proptest! {
    #[test]
    fn csp_oracle_any_policy_is_read_back_as_it_was_meant(policy in any_policy()) {
        let Some(policy) = policy else { return Ok(()) };
        let nonce = text_of_nonce();
        for nonce in [None, Some(&nonce)] {
            let header = policy.header(nonce, false).unwrap();
            prop_assert!(header.as_bytes().is_ascii());
            prop_assert_eq!(directives(header.to_str().unwrap()), meant(&policy, nonce));
        }
    }

    #[test]
    fn csp_oracle_any_policy_is_read_back_from_its_text(policy in any_policy()) {
        let Some(policy) = policy else { return Ok(()) };
        let text = policy.to_string();
        let settings = text.split("; ").map(|directive| match directive.split_once(' ') {
            Some((name, values)) => (name, SettingValue::from(values)),
            None => (directive, SettingValue::On),
        });
        prop_assert_eq!(Policy::from_settings(settings), Ok(Some(policy)));
    }

    #[test]
    fn csp_oracle_any_text_is_refused_or_stays_within_its_directive(values in vec("\\PC{0,20}", 0..4), key in "[a-z-]{1,12}|img-src") {
        let both = [(key.as_str(), SettingValue::from(values)), ("object-src", "'none'".into())];
        if let Ok(Some(policy)) = Policy::from_settings(both) {
            let read = directives(&sent(&policy, None));
            prop_assert!(read.len() <= 2, "{read:?}");
            prop_assert_eq!(read.last().unwrap(), &("object-src".to_owned(), vec!["'none'".to_owned()]));
        }
    }

    #[test]
    fn csp_oracle_without_the_nonce_nothing_inline_runs_that_would_not_with_it(policy in any_policy(), code in "[a-z]{0,6}") {
        let Some(policy) = policy else { return Ok(()) };
        let nonce = text_of_nonce();
        for kind in [InlineCheckType::Script, InlineCheckType::Style, InlineCheckType::ScriptAttribute] {
            let with = inline(&sent(&policy, Some(&nonce)), kind, &code, None);
            let without = inline(&sent(&policy, None), kind, &code, None);
            prop_assert!(with || !without, "{policy}: {kind:?} {code:?} runs without the nonce alone");
        }
    }
}

/// Whether code in the page may run.
fn inline(header: &str, kind: InlineCheckType, code: &str, nonce: Option<&str>) -> bool {
    let element = Element { nonce: nonce.map(Into::into) };
    parse(header).should_elements_inline_type_behavior_be_blocked(&element, kind, code).0 == CheckResult::Allowed
}

/// Whether something may be loaded by a page of `https://app.example`.
fn load(header: &str, destination: Destination, url: &str, nonce: &str) -> bool {
    let url = Url::parse(url).unwrap();
    let request = Request {
        current_url: url.clone(),
        url,
        origin: UrlOrigin::Tuple("https".into(), content_security_policy::url::Host::Domain("app.example".into()), 443),
        redirect_count: 0,
        destination,
        initiator: Initiator::None,
        nonce: nonce.into(),
        integrity_metadata: String::new(),
        parser_metadata: ParserMetadata::ParserInserted,
    };
    parse(header).should_request_be_blocked(&request).0 == CheckResult::Allowed
}

#[test]
fn csp_oracle_what_is_allowed_is_what_was_meant() {
    use Destination::{Image, Script, Style};
    let nonce = text_of_nonce();
    let strict = Policy::strict()
        .script_src([Source::Nonce, Source::StrictDynamic])
        .style_src([Source::SelfOrigin, Source::Nonce])
        .img_src([Source::SelfOrigin, host("https://*.pictures.example")])
        .build()
        .unwrap();
    let (with, without) = (sent(&strict, Some(&nonce)), sent(&strict, None));
    for (destination, url, carried, allowed) in [
        (Script, "https://anywhere.example/a.js", nonce.as_str(), true),
        (Script, "https://anywhere.example/a.js", NONCE, false),
        (Script, "https://app.example/a.js", "", false),
        (Style, "https://app.example/a.css", "", true),
        (Style, "https://other.example/a.css", "", false),
        (Style, "https://other.example/a.css", nonce.as_str(), true),
        (Image, "https://app.example/a.png", "", true),
        (Image, "https://a.pictures.example/a.png", "", true),
        (Image, "https://pictures.example/a.png", "", false),
        (Image, "http://other.example/a.png", "", false),
        (Destination::Font, "https://app.example/a.woff2", "", false),
        (Destination::Object, "https://app.example/a.pdf", "", false),
    ] {
        assert_eq!(load(&with, destination, url, carried), allowed, "{destination:?} {url} {carried}");
        if !carried.is_empty() {
            assert!(!load(&without, destination, url, carried), "{destination:?} {url} {carried} without the nonce");
        }
    }
    for (kind, carried, allowed) in [
        (InlineCheckType::Script, Some(nonce.as_str()), true),
        (InlineCheckType::Script, Some(NONCE), false),
        (InlineCheckType::Script, None, false),
        (InlineCheckType::Style, Some(nonce.as_str()), true),
        (InlineCheckType::Style, None, false),
        (InlineCheckType::ScriptAttribute, None, false),
        (InlineCheckType::StyleAttribute, None, false),
    ] {
        assert_eq!(inline(&with, kind, "x()", carried), allowed, "{kind:?} {carried:?}");
        assert!(!inline(&without, kind, "x()", carried), "{kind:?} {carried:?} without the nonce");
    }

    let hashed = sent(&Policy::strict().script_src(Source::sha256_of("x()")).build().unwrap(), None);
    assert!(inline(&hashed, InlineCheckType::Script, "x()", None));
    assert!(!inline(&hashed, InlineCheckType::Script, "y()", None));

    let data = sent(&Policy::for_data(), None);
    assert!(!load(&data, Image, "https://app.example/a.png", "") && !inline(&data, InlineCheckType::Script, "", None));
}

#[test]
fn csp_oracle_djangos_rule_for_an_unused_nonce_would_open_what_ours_keeps_shut() {
    // Django 148: it drops the directive, so `default-src` holds, and with it 'self'.
    let django = "default-src 'self'";
    let ours = sent(&policy([("default-src", "'self'"), ("script-src", "nonce")]), None);
    let script = "https://app.example/uploads/evil.js";
    assert!(load(django, Destination::Script, script, ""));
    assert!(!load(&ours, Destination::Script, script, ""));
}
