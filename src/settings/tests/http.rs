use callboard_http::{HttpConfig, Scope};

use super::*;

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A settings file with a tokens file of this text beside it.
fn with_tokens(text: &str, mode: u32) -> Result<Settings, String> {
    let folder = Folder::new();
    let tokens = folder.write("tokens.toml", text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let path = folder.write("callboard.toml", &format!("{MEMORY}[http]\ntokens_file = \"tokens.toml\"\n"));
    Settings::from_file(&path, []).map_err(|error| error.to_string())
}

fn token(id: &str, rest: &str) -> String {
    format!("[[token]]\nid = \"{id}\"\nname = \"shop\"\nsha256 = \"{DIGEST}\"\n{rest}\n")
}

#[test]
fn the_front_end_listens_on_loopback_unless_told_otherwise() {
    assert_eq!(good(MEMORY).http.bind.to_string(), "127.0.0.1:8000");
    let told = good(&format!("{MEMORY}[http]\nbind = \"localhost:9000\"\n"));
    assert_eq!(told.http.bind.to_string(), "127.0.0.1:9000");
}

#[test]
fn hosts_and_proxies_reach_the_front_end() {
    let text = "[http]\nhosts = [\"tasks.example.com\"]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
    let config: HttpConfig = good(&format!("{MEMORY}{text}")).http.into();
    assert_eq!(config.hosts, ["tasks.example.com"]);
    assert!(config.trusted_proxies[0].contains("10.9.8.7".parse().unwrap()));
    assert!(config.trusted_proxies[1].contains("::1".parse().unwrap()));
    assert!(config.tokens.is_empty());
}

#[test]
fn mistakes_of_the_front_end_are_reported_with_the_others() {
    let text =
        "[http]\nbind = \"8000\"\nhosts = [\"https://a\"]\ntrusted_proxies = [\"nginx\"]\nrate_limit = 5\nhost = 1\n";
    let found = problems(&format!("{MEMORY}{text}"));
    let expected = [
        "callboard.toml:4: http.bind \"8000\" is no address with a port",
        "callboard.toml:5: http.hosts[0] is \"https://a\"; write a name",
        "callboard.toml:6: http.trusted_proxies[0] is wrong: \"nginx\" is neither",
        "callboard.toml:7: http.rate_limit is 5; write text such as \"100/1m\"",
        "callboard.toml:8: http.host is no setting; did you mean hosts?",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn tokens_are_read_from_the_file_beside_the_settings() {
    let text = token("k3b9x0aq", "scopes = [\"tasks:enqueue:mail.*\", \"tasks:read\"]\nexpires = 2027-01-01T00:00:00Z")
        + &token("00000000", "scopes = [\"admin\"]\nexpires = \"2028-01-01T00:00:00Z\"");
    let tokens = with_tokens(&text, 0o600).unwrap().http.tokens;
    assert_eq!(tokens[0].id, "k3b9x0aq");
    assert_eq!(tokens[0].sha256, callboard_http::Token::digest("test"));
    assert_eq!(tokens[0].scopes, [Scope::Enqueue(Some("mail.*".into())), Scope::Read]);
    assert_eq!(tokens[0].expires.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(tokens[1].expires.unwrap().to_string(), "2028-01-01T00:00:00Z");
}

#[cfg(unix)]
#[test]
fn a_tokens_file_that_others_may_read_is_refused() {
    let good = token("k3b9x0aq", "scopes = []");
    for mode in [0o640, 0o604, 0o620] {
        let error = with_tokens(&good, mode).unwrap_err();
        assert!(error.contains(&format!("(its mode is {mode:o}); chmod 600 ")), "{error}");
    }
    assert!(with_tokens(&good, 0o400).is_ok());
}

#[test]
fn a_tokens_file_that_is_not_there_is_named() {
    let found = problems(&format!("{MEMORY}[http]\ntokens_file = \"no-such.toml\"\n"));
    assert!(
        found[0].starts_with("callboard.toml:4: http.tokens_file names no-such.toml, which cannot be read: "),
        "{found:?}"
    );
}

#[test]
fn every_mistake_of_a_tokens_file_is_reported_and_no_digest_repeated() {
    let text = token("short", "scopes = [\"tasks:reed\"]\nexpires = 5")
        + "[[token]]\nid = \"k3b9x0aq\"\nname = \"a\"\nsha256 = \"tk_secret\"\nscope = []\n"
        + &token("k3b9x0aq", "scopes = []");
    let error = with_tokens(&text, 0o600).unwrap_err();
    for expected in [
        "tokens.toml:2: token[0].id is \"short\"; write the 8 characters after tk_",
        "tokens.toml:5: token[0].scopes[0] is wrong: \"tasks:reed\" is not a scope",
        "tokens.toml:6: token[0].expires is 5, no time with a zone",
        "tokens.toml:7: token[1].scopes is missing",
        "tokens.toml:10: token[1].sha256 is not 64 hexadecimal digits",
        "tokens.toml:11: token[1].scope is no setting; did you mean scopes?",
        "tokens.toml:13: token[2].id is \"k3b9x0aq\", as at ",
    ] {
        assert!(error.contains(expected), "{expected}\nis not in\n{error}");
    }
    assert!(error.starts_with("the settings have 7 problems"), "{error}");
    assert!(!error.contains("tk_secret"), "{error}");
}

#[test]
fn a_tokens_file_without_a_token_is_refused_because_nobody_means_an_open_door_by_it() {
    let error = with_tokens("", 0o600).unwrap_err();
    assert!(error.contains("token is missing; write a table [[token]]"), "{error}");
}

#[test]
fn what_the_front_end_takes_can_be_limited() {
    let text = "[http]\nrate_limit = \"100/1m\"\nlongest_wait = \"5s\"\nread_only = true\n";
    let config: HttpConfig = good(&format!("{MEMORY}{text}")).http.into();
    assert_eq!(config.rate_limit, "100/1m".parse().ok());
    assert_eq!((config.limits.wait, config.read_only), (std::time::Duration::from_secs(5), true));
    let usual: HttpConfig = good(MEMORY).http.into();
    assert_eq!((usual.rate_limit, usual.read_only), (None, false));
    let problems = problems(&format!("{MEMORY}[http]\nrate_limit = \"fast\"\nlongest_wait = \"1m\"\n"));
    assert!(problems[0].contains("http.rate_limit") && problems[1].contains("http.longest_wait"), "{problems:?}");
}
