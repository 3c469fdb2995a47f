//! Building policies out of typed parts.

use super::*;

#[test]
fn a_policy_says_what_it_was_told_in_that_order() {
    let policy = Policy::strict()
        .script_src([Source::Nonce, Source::StrictDynamic])
        .style_src(Source::SelfOrigin)
        .img_src([Source::SelfOrigin, Source::scheme("data").unwrap(), host("https://cdn.example.com:443/img/")])
        .frame_ancestors([Origin::SelfOrigin])
        .sandbox([Allow::Scripts, Allow::Forms])
        .block_webrtc()
        .upgrade_insecure_requests()
        .require_trusted_types()
        .trusted_types(["fragments"])
        .report("/csp/reports")
        .extension("new-thing", "a  b")
        .build()
        .unwrap();
    let expected = "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; \
                    script-src 'nonce' 'strict-dynamic'; style-src 'self'; \
                    img-src 'self' data: https://cdn.example.com:443/img/; sandbox allow-forms allow-scripts; \
                    webrtc 'block'; upgrade-insecure-requests; require-trusted-types-for 'script'; \
                    trusted-types fragments; report-uri /csp/reports; report-to csp; new-thing a b";
    assert_eq!(policy.to_string(), expected);
    assert_eq!(policy, policy.clone());
}

#[test]
fn what_would_be_wrong_is_said_all_at_once_and_each_with_its_fix() {
    let error = Policy::builder()
        .script_src(Source::SelfOrigin)
        .script_src(Source::Nonce)
        .img_src([Source::SelfOrigin, Source::Nonce])
        .style_src(Source::StrictDynamic)
        .connect_src(Source::Dangerous(Unsafe::Eval))
        .trusted_types(["a b"])
        .report_as("CSP", "reports")
        .extension("img-src", "*")
        .extension("new", "a; b")
        .build()
        .unwrap_err();
    let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "script-src is given twice, and browsers heed the first one alone; give all its values at once",
            "img-src is known; use its own method",
            "new: \"a; b\" has a value that contains \";\", which ends a directive; write %3B in a path, or give each \
             directive its own key",
            "img-src: \"'nonce'\" means nothing to img-src; it belongs to script-src, style-src, their -elem forms and \
             default-src, so remove it here",
            "style-src: \"'strict-dynamic'\" means nothing to style-src; it belongs to script-src, script-src-elem and \
             default-src, so remove it here",
            "connect-src: \"'unsafe-eval'\" means nothing to connect-src; it belongs to script-src and default-src, so \
             remove it here",
            "trusted-types: \"a b\" is no name of a policy; write letters, digits and - # = _ / @ . %",
            "report-uri: \"reports\" is no address; write a path as in \"/csp/reports\", or \
             \"https://reports.example.com/csp\"",
            "report-to: \"CSP\" is no name of an endpoint; write small letters and digits, as in \"csp\"",
        ]
    );
    assert!(error.to_string().starts_with("the policy has 9 problems:\n  script-src is given twice"), "{error}");
}

#[test]
fn a_policy_that_says_nothing_or_too_much_is_none() {
    let empty = Policy::builder().build().unwrap_err();
    assert_eq!(
        empty.to_string(),
        "the policy has a problem: the policy says nothing; give it directives, or leave the policy out"
    );
    let many: Sources = (0..200).map(|n| host(&format!("https://host-{n}.example.com"))).collect();
    let long = Policy::builder().img_src(many).build().unwrap_err();
    assert!(long.to_string().contains("servers refuse headers beyond 4096, so shorten it"), "{long}");
}

#[test]
fn what_a_policy_begins_with_may_be_said_otherwise_once() {
    let policy = Policy::strict().default_src(Source::SelfOrigin).build().unwrap();
    assert!(policy.to_string().starts_with("default-src 'self'; object-src 'none'"), "{policy}");
    let twice = Policy::strict().default_src(Source::SelfOrigin).default_src(Source::Any).build();
    assert!(twice.is_err());
}

#[test]
fn sources_given_twice_are_kept_once() {
    let sources = Sources::from([Source::SelfOrigin, host("a.example"), Source::SelfOrigin]);
    assert_eq!(sources.as_slice(), [Source::SelfOrigin, host("a.example")]);
}

#[test]
fn hosts_are_what_browsers_understand() {
    for good in [
        "example.com",
        "*.example.com",
        "https://example.com",
        "https://*.example.com:*",
        "wss://example.com:8443/path/",
        "localhost:3000",
        "http://127.0.0.1:8080",
        "*:443",
        "https://example.com/a%3Bb/c.js",
        "xn--mnchen-3ya.de",
        "a_b.example",
    ] {
        assert_eq!(Source::host(good).map(|source| source.to_string()).as_deref(), Ok(good));
    }
    for (bad, part) in [
        ("", "is no host"),
        ("https://", "is no host"),
        ("exa mple.com", "is no host"),
        ("a..b", "is no host"),
        ("*example.com", "no whole first label"),
        ("a.*.com", "no whole first label"),
        ("example.com:99999", "a port that is none"),
        ("example.com:", "a port that is none"),
        ("https://example.com/?a=b", "a query or fragment"),
        ("https://example.com#a", "a query or fragment"),
        ("https://user@example.com", "a user name"),
        ("https://[::1]", "IPv6"),
        ("https://münchen.de", "Punycode"),
        ("example.com;script-src", "ends a directive"),
        ("example.com,", "begins another policy"),
        ("example.com\r\nX: y", "line break"),
        ("ht tp://example.com", "a scheme that is none"),
        ("https://example.com/ä", "not ASCII"),
        ("https://example.com/a\"b", "%XX"),
    ] {
        let error = Source::host(bad).unwrap_err();
        assert!(error.detail.contains(part), "{bad}: {error}");
        assert_eq!(error.value, bad);
    }
    assert!(Source::scheme("1x:").is_err() && Source::scheme("").is_err() && Source::scheme("a;b").is_err());
}

#[test]
fn a_hash_is_that_of_the_text() {
    // echo -n "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64
    let hash = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='";
    assert_eq!(Source::sha256_of("alert('Hello, world.');").to_string(), hash);
    assert_eq!(hash.parse(), Ok(Source::sha256_of("alert('Hello, world.');")));
    // The alphabet of addresses is the same hash, and so is the one without padding.
    let other = "'SHA256-qznLcsROx4GACP2dm0UCKCzCG-HiZ1guq6ZZDob_Tng'";
    assert_eq!(other.parse(), Ok(Source::sha256_of("alert('Hello, world.');")));
    for (hash, bytes) in [(Hash::sha384_of("x"), 48), (Hash::sha512_of("x"), 64)] {
        let text = hash.to_string();
        assert_eq!(format!("'{text}'").parse(), Ok(Source::Hash(hash)));
        assert_eq!(text.split_once('-').unwrap().1.len(), bytes / 3 * 4 + if bytes % 3 == 0 { 0 } else { 4 });
    }
    let short = "'sha256-qznL'".parse::<Source>().unwrap_err();
    assert_eq!(short.detail, "holds 3 bytes, but a sha256 has 32; copy the whole of it");
    assert!("'sha1-qznL'".parse::<Source>().unwrap_err().detail.contains("is no hash"));
    assert!("'sha256-!!!'".parse::<Source>().unwrap_err().detail.contains("is no hash"));
}

#[test]
fn without_the_nonce_nothing_is_allowed_that_was_not_with_it() {
    let inline = Source::Dangerous(Unsafe::Inline);
    let policy = Policy::builder()
        .script_src([Source::Nonce, inline.clone()])
        .style_src([Source::SelfOrigin, Source::Nonce, inline.clone()])
        .style_src_attr(inline)
        .build()
        .unwrap();
    // With a nonce browsers ignore 'unsafe-inline'; if it stayed alone, it would come to life.
    assert_eq!(sent(&policy, None), "script-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'");
    let nonce = text_of_nonce();
    assert_eq!(
        sent(&policy, Some(&nonce)),
        format!(
            "script-src 'nonce-{nonce}' 'unsafe-inline'; style-src 'self' 'nonce-{nonce}' 'unsafe-inline'; \
             style-src-attr 'unsafe-inline'"
        )
    );
}

#[test]
fn reports_go_to_a_named_endpoint_on_encrypted_connections_alone() {
    let policy = Policy::builder().default_src(Sources::NONE).report_as("here", "/r").build().unwrap();
    assert_eq!(sent(&policy, None), "default-src 'none'; report-uri /r");
    let named = policy.header(None, true).unwrap();
    assert_eq!(named, "default-src 'none'; report-uri /r; report-to here");
    assert_eq!(policy.endpoint().unwrap().header, "here=\"/r\"");
}

#[test]
fn a_policy_is_changed_by_what_is_needed_beyond() {
    let base = policy([("default-src", vec!["'self'"]), ("object-src", vec!["'none'"]), ("script-src", vec!["nonce"])]);
    let delta = Delta::new()
        .append(Directive::ImgSrc, host("https://tiles.example.com"))
        .append(Directive::ScriptSrcElem, Source::SelfOrigin)
        .append(Directive::ObjectSrc, host("plugins.example.com"))
        .replace(Directive::ScriptSrc, Sources::NONE)
        .remove(Directive::DefaultSrc);
    let merged = base.merge(&delta).unwrap();
    assert_eq!(
        merged.to_string(),
        "object-src plugins.example.com; script-src 'none'; img-src 'self' https://tiles.example.com; \
         script-src-elem 'nonce' 'self'"
    );
    assert_eq!(base.merge(&Delta::new()).unwrap(), base);

    let wrong = Delta::new()
        .append(Directive::BaseUri, Source::SelfOrigin)
        .remove(Directive::Sandbox)
        .append(Directive::ReportTo, Source::SelfOrigin)
        .append(Directive::ImgSrc, Source::Nonce);
    let problems: Vec<String> = base.merge(&wrong).unwrap_err().problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(problems[0], "base-uri restricts nothing, so there is nothing to allow beyond; replace it instead");
    assert_eq!(problems[1], "sandbox is to be removed, but is not there");
    assert_eq!(problems[2], "report-to takes no sources; replace the whole policy instead");
    assert!(problems[3].starts_with("img-src: \"'nonce'\" means nothing to img-src"), "{problems:?}");
}

#[test]
fn what_answers_say_that_are_no_pages_is_what_the_routes_of_a_board_say() {
    assert_eq!(Policy::for_data().to_string(), "default-src 'none'; frame-ancestors 'none'");
}
