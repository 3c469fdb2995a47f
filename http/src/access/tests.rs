//! The decision as tables.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use callboard_tasks::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn policy() -> Policy {
    Policy {
        sessions: Sessions::default(),
        guard: Guard::Loopback,
        hosts: vec!["tasks.example".into(), "ported.example:81".into()],
        proxies: vec!["10.0.0.0/8".parse().unwrap()],
        tokens: TokenRing::default(),
        read_only: false,
    }
}

/// A request from this machine that reads.
fn local() -> Facts<'static> {
    Facts { peer: ip("127.0.0.1"), host: Some("127.0.0.1:8000"), safe: true, ..Facts::default() }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().unwrap().to_canonical())
}

/// The status that a request meets; 200 stands for all that come in.
fn status(facts: &Facts<'_>) -> u16 {
    policy().admit(facts, false, NOW).map_or_else(|problem| problem.kind().status().as_u16(), |_| 200)
}

#[test]
fn without_tokens_only_loopback_peers_come_in() {
    for (peer, expected) in [
        (ip("127.0.0.1"), 200),
        (ip("127.8.8.8"), 200),
        (ip("::1"), 200),
        (ip("::ffff:127.0.0.1"), 200),
        (ip("192.168.1.5"), 401),
        (ip("::ffff:192.168.1.5"), 401),
        (ip("10.1.2.3"), 401),
        (ip("fe80::1"), 401),
        (None, 401),
    ] {
        assert_eq!(status(&Facts { peer, ..local() }), expected, "{peer:?}");
    }
}

#[test]
fn the_host_must_be_this_machine_or_listed() {
    for (host, expected) in [
        (Some("127.0.0.1"), 200),
        (Some("127.0.0.1:8000"), 200),
        (Some("localhost:1"), 200),
        (Some("LocalHost"), 200),
        (Some("[::1]:8000"), 200),
        (Some("[::1]"), 200),
        (Some("tasks.example"), 200),
        (Some("Tasks.Example:9000"), 200),
        (Some("ported.example:81"), 200),
        (Some("ported.example:82"), 421),
        (Some("ported.example"), 421),
        (Some("evil.test"), 421),
        (Some("127.0.0.1.evil.test"), 421),
        (Some("localhost.evil.test"), 421),
        (Some("127.0.0.1:80:80"), 421),
        (Some("127.0.0.1:x"), 421),
        (Some("evil.test@127.0.0.1"), 421),
        (Some("[::1"), 421),
        (Some("[::1]evil"), 421),
        (Some(""), 421),
        (Some(":8000"), 421),
        (Some("\u{fffd}"), 421),
        (None, 421),
    ] {
        assert_eq!(status(&Facts { host, ..local() }), expected, "{host:?}");
    }
}

#[test]
fn a_request_that_a_strange_proxy_passed_on_is_never_local() {
    for header in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "127.0.0.1"),
        ("x-forwarded-anything", ""),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        assert_eq!(status(&Facts { forwarded: vec![header], ..local() }), 401, "{header:?}");
    }
}

#[test]
fn a_trusted_proxy_is_believed_about_whom_it_asks_for() {
    for (headers, expected) in [
        (vec![("x-forwarded-for", "127.0.0.1")], 200),
        (vec![("x-forwarded-for", "[::1]:4711")], 200),
        (vec![("x-forwarded-for", "127.0.0.1, 10.9.9.9")], 200),
        (vec![("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.1")], 401),
        // What stands further left is the client's own claim.
        (vec![("x-forwarded-for", "127.0.0.1, 192.0.2.1")], 401),
        (vec![("x-forwarded-for", "127.0.0.1, nonsense")], 401),
        (vec![("forwarded", "for=\"[::1]:80\";proto=http")], 200),
        (vec![("forwarded", "for=192.0.2.1")], 401),
        (vec![("forwarded", "by=127.0.0.1")], 401),
        (vec![("x-real-ip", "127.0.0.1")], 200),
        (vec![("x-real-ip", "192.0.2.1")], 401),
        // A client behind a proxy that sets one header invents another.
        (vec![("x-real-ip", "192.0.2.1"), ("x-forwarded-for", "127.0.0.1")], 401),
        (vec![("via", "1.1 proxy")], 401),
        (vec![], 401),
    ] {
        let facts = Facts { peer: ip("10.1.2.3"), forwarded: headers, ..local() };
        assert_eq!(status(&facts), expected, "{:?}", facts.forwarded);
    }
}

#[test]
fn unsafe_requests_come_from_programs_or_from_our_own_pages() {
    let same = Some("http://127.0.0.1:8000");
    for (fetch_site, origin, cookie, expected) in [
        (None, None, false, 200),
        (None, None, true, 403),
        (Some("same-origin"), None, true, 200),
        (Some("same-origin"), Some("http://evil.test"), false, 200),
        (Some("same-site"), same, false, 403),
        (Some("cross-site"), same, false, 403),
        (Some("none"), None, false, 403),
        (Some("Same-Origin"), None, false, 403),
        (None, same, true, 200),
        (None, Some("https://127.0.0.1:8000"), false, 403),
        (None, Some("http://127.0.0.1:8001"), false, 403),
        (None, Some("http://127.0.0.1"), false, 403),
        (None, Some("http://evil.test"), false, 403),
        (None, Some("null"), false, 403),
        (None, Some(""), false, 403),
    ] {
        let facts = Facts { safe: false, fetch_site, origin, cookie, ..local() };
        assert_eq!(status(&facts), expected, "{fetch_site:?} {origin:?} {cookie}");
        assert_eq!(status(&Facts { safe: true, ..facts }), 200);
    }
}

#[test]
fn a_refusal_of_another_site_names_the_header_that_gave_it_away() {
    let long = "x".repeat(10_000);
    for (fetch_site, origin, cookie, words) in [
        (None, None, true, &["Cookie", "neither Sec-Fetch-Site nor Origin", "leave"][..]),
        (Some("none"), None, false, &["Sec-Fetch-Site is \"none\"", "leave"]),
        (Some("cross-site"), Some("http://evil.test"), true, &["Sec-Fetch-Site is \"cross-site\"", "leave"]),
        (None, Some("http://evil.test"), true, &["Origin is \"http://evil.test\"", "http://127.0.0.1:8000", "leave"]),
        (None, Some(&long), false, &["Origin is \"xxx"]),
    ] {
        let facts = Facts { safe: false, fetch_site, origin, cookie, ..local() };
        let refusal = policy().admit(&facts, false, NOW).unwrap_err().to_string();
        assert!(words.iter().all(|word| refusal.contains(word)), "{refusal}");
        assert!(refusal.len() < 300, "{refusal}");
    }
}

#[test]
fn an_origin_is_compared_with_the_scheme_that_the_browser_sees() {
    let behind = |origin, proto| Facts {
        peer: ip("10.1.2.3"),
        host: Some("tasks.example"),
        safe: false,
        origin: Some(origin),
        forwarded: vec![("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", proto)],
        ..Facts::default()
    };
    assert_eq!(status(&behind("https://tasks.example", "https")), 200);
    assert_eq!(status(&behind("https://tasks.example:443", "https")), 200);
    assert_eq!(status(&behind("http://tasks.example", "https")), 403);
    assert_eq!(status(&behind("https://tasks.example", "http")), 403);
}

#[test]
fn a_network_contains_what_shares_its_leading_bits() {
    for (network, address, inside) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("0.0.0.0/0", "203.0.113.1", true),
        ("0.0.0.0/0", "::1", false),
        ("fd00::/8", "fd12::1", true),
        ("::/0", "fe80::1", true),
        ("10.0.0.0/8", "::ffff:10.1.1.1", true),
    ] {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
    }
    for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "example.com", "10.0.0.0/x"] {
        assert!(wrong.parse::<Network>().is_err(), "{wrong}");
    }
}

#[test]
fn scopes_are_read_as_they_are_written() {
    for text in [
        "tasks:enqueue",
        "tasks:enqueue:mail.*",
        "tasks:read",
        "tasks:write",
        "tasks:debug",
        "queues:write",
        "metrics:read",
        "admin",
    ] {
        assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }
    for wrong in ["", "tasks", "tasks:enqueue:", "tasks:enqueue:a b", "Admin", "tasks:delete"] {
        assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
    }
}

#[test]
fn a_star_stands_for_any_text() {
    for (glob, name, fits) in [
        ("mail.*", "mail.send", true),
        ("mail.*", "mail.", true),
        ("mail.*", "email.send", false),
        ("*", "anything", true),
        ("*.send", "mail.send", true),
        ("*.send", "mail.sender", false),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "a1c2b", false),
        ("a*a", "a", false),
        ("mail.send", "mail.send", true),
        ("mail.send", "mail.sends", false),
    ] {
        let scope = Scope::Enqueue(Some(glob.to_owned()));
        assert_eq!(scope.grants(&Right::Enqueue(name)), fits, "{glob} {name}");
    }
}

#[test]
fn a_token_is_known_by_its_shape() {
    let secret = "s".repeat(43);
    assert_eq!(Token::id_of(&format!("tk_12345678_{secret}")), Some("12345678"));
    for wrong in [
        String::new(),
        "tk_".into(),
        format!("tk_1234567_{secret}"),
        format!("tk_12345678_{secret}s"),
        format!("tk_12345678-{secret}"),
        format!("tk_1234567\u{e9}_{secret}"),
        format!("TK_12345678_{secret}"),
    ] {
        assert_eq!(Token::id_of(&wrong), None, "{wrong}");
    }
}

mod sessions {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::super::{Sessions, Token};
    use callboard_tasks::Timestamp;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn token(expires: Option<Timestamp>) -> Arc<Token> {
        let sha256 = Token::digest("tk");
        Arc::new(Token { id: "abcdefgh".into(), name: "shop".into(), sha256, scopes: Vec::new(), expires })
    }

    fn after(hours: i64) -> Timestamp {
        START + SignedDuration::from_hours(hours)
    }

    #[test]
    fn a_session_holds_while_it_is_used_and_at_most_a_week() {
        let sessions = Sessions::default();
        let id = sessions.begin(token(None), START).unwrap();
        let mut hours = 0;
        while hours < 7 * 24 - 11 {
            hours += 11;
            assert!(sessions.find(&id, after(hours)).is_some() || hours >= 7 * 24, "{hours}");
        }
        assert!(sessions.find(&id, after(7 * 24)).is_none());

        let idle = sessions.begin(token(None), START).unwrap();
        assert!(sessions.find(&idle, after(12)).is_none());
        assert!(sessions.find(&idle, after(1)).is_none(), "what has ended stays so");
    }

    #[test]
    fn a_session_ends_with_its_token_and_when_it_is_left() {
        let sessions = Sessions::default();
        let id = sessions.begin(token(Some(after(1))), START).unwrap();
        assert!(sessions.find(&id, START).is_some());
        assert!(sessions.find(&id, after(1)).is_none());
        let other = sessions.begin(token(None), START).unwrap();
        assert_ne!(id, other);
        assert_eq!(other.len(), 43);
        sessions.end(&other);
        assert!(sessions.find(&other, START).is_none());
        assert!(sessions.find("", START).is_none());
    }
}

mod rates {
    use std::time::{Duration, Instant};

    use super::super::{Limiter, RateLimit};

    #[test]
    fn so_many_requests_may_come_at_once_and_then_one_after_the_other() {
        let limiter = Limiter::new("3/30s".parse().unwrap());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(limiter.take_at("ann", at(0)), Ok(()));
        }
        assert_eq!(limiter.take_at("ann", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(limiter.take_at("bob", at(0)), Ok(()));
        assert_eq!(limiter.take_at("ann", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.take_at("ann", at(10)), Ok(()));
        assert!(limiter.take_at("ann", at(10)).is_err());
        for _ in 0..3 {
            assert_eq!(limiter.take_at("ann", at(100)), Ok(()));
        }
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let rate = RateLimit { requests: 100, per: Duration::from_secs(60) };
        assert_eq!("100/1m".parse(), Ok(rate));
        for wrong in ["", "100", "0/1m", "-1/1m", "100/", "100/0s", "1m/100", "100/minute"] {
            let problem = wrong.parse::<RateLimit>().unwrap_err();
            assert!(problem.contains("100/1m"), "{problem}");
        }
    }
}

#[test]
fn a_host_is_what_all_places_say_that_name_one() {
    let (ours, others) = ("localhost:8000", "evil.test");
    for (line, headers, expected) in [
        ("/tasks".to_owned(), vec![ours], Some(ours)),
        ("/tasks".to_owned(), vec![], None),
        ("/tasks".to_owned(), vec![ours, others], None),
        ("/tasks".to_owned(), vec![ours, ours], None),
        (format!("http://{ours}/tasks"), vec![], Some(ours)),
        (format!("http://{ours}/tasks"), vec!["LOCALHOST:8000"], Some("LOCALHOST:8000")),
        (format!("http://{others}/tasks"), vec![ours], None),
        (format!("http://{ours}/tasks"), vec![others], None),
    ] {
        let request = headers.iter().fold(actix_web::test::TestRequest::with_uri(&line), |request, host| {
            request.append_header(("host", *host))
        });
        let request = request.to_http_request();
        assert_eq!(Facts::of(request.head(), false).host, expected, "{line} {headers:?}");
    }
}
