//! `[mail.alias]` and `[templates]`.

use std::time::Duration;

use super::*;
use crate::mail::{Ambiguous, Tls, Transport};

#[test]
fn a_mailer_of_a_server_is_read_with_all_of_its_keys() {
    let settings = good(&format!(
        "{MEMORY}[mail.default]\nbackend = \"smtp\"\nhost = \"smtp.example.com\"\nport = 2525\nusername = \"shop\"\n\
         password = \"s3cret\"\ntls = \"implicit\"\ntimeout = \"7s\"\nconnections = 2\nfrom = \"The Shop <shop@example.com>\"\n\
         rate = \"100/1m\"\nambiguous = \"fail\"\nadmins = [\"ops@example.com\"]\nallow_domains = [\"example.com\"]\n\
         [mail.bulk]\nbackend = \"file\"\npath = \"sent\"\n"
    ));
    let options = &settings.mail.mailers["default"];
    let Transport::Smtp(smtp) = &options.transport else { panic!("{options:?}") };
    assert_eq!(
        (smtp.host.as_str(), smtp.port, smtp.tls, smtp.connections),
        ("smtp.example.com", 2525, Tls::Implicit, 2)
    );
    assert_eq!(smtp.login.as_ref().unwrap().0, "shop");
    assert_eq!(smtp.deadlines.end, Duration::from_secs(7));
    assert_eq!(options.from.as_ref().unwrap().name, "The Shop");
    assert_eq!((options.rate.unwrap().mails, options.ambiguous), (100, Ambiguous::Fail));
    assert_eq!(options.allow_domains.as_deref(), Some(&["example.com".to_owned()][..]));
    assert_eq!(settings.mail.mailers["bulk"].transport, Transport::File("sent".into()));
    assert!(!format!("{settings:?}").contains("s3cret"), "a password is never printed");
}

#[test]
fn the_usual_port_follows_from_the_encryption() {
    for (tls, port) in
        [("", 587), ("tls = \"starttls\"", 587), ("tls = \"implicit\"", 465), ("tls = \"none\"\ninsecure = true", 25)]
    {
        let text = format!("{MEMORY}[mail.default]\nbackend = \"smtp\"\nhost = \"mx.example.com\"\n{tls}\n");
        let Transport::Smtp(smtp) = good(&text).mail.mailers["default"].transport.clone() else { panic!() };
        assert_eq!(smtp.port, port, "{tls}");
    }
}

#[test]
fn a_password_may_come_from_the_environment() {
    let text = format!("{MEMORY}[mail.default]\nbackend = \"smtp\"\nhost = \"localhost\"\nusername = \"shop\"\n");
    let settings = read_with(&text, &[("CALLBOARD__MAIL__DEFAULT__PASSWORD", "s3cret")]).unwrap();
    let Transport::Smtp(smtp) = &settings.mail.mailers["default"].transport else { panic!() };
    assert_eq!(smtp.login.as_ref().unwrap().1.0, "s3cret");
}

#[test]
fn every_mistake_is_reported_with_its_line_and_no_password_is_shown() {
    let text = "[mail.default]\nbackend = \"smtp\"\nhost = \"smtp.example.com\"\nport = 0\ntls = \"none\"\npassword = \"s3cret\"\n\
                [mail.one]\nbackend = \"console\"\nhost = \"x\"\npath = \"y\"\nrate = \"0/1m\"\nfrom = \"nobody\"\n\
                [mail.two]\nhost = \"x\"\n[mail.three]\nbackend = \"smtp\"\ntls = \"ssl\"\n[mail.four]\nbackend = \"file\"\nadmins = \"x\"\n\
                [mail.five]\nbackend = \"memory\"\nambiguous = \"perhaps\"\nadress = 1\nredirect_all = [\"a@b@c\"]\n";
    let found = problems(&format!("{MEMORY}{text}"));
    let told = found.join("\n");
    for expected in [
        "mail.default.port is 0; write a whole number from 1 to 65535",
        "mail.default.tls is \"none\", so everybody",
        "mail.default.password has no effect without a username",
        "mail.one.host has no effect with a mailer that is not smtp",
        "mail.one.path has no effect with a mailer that is not file",
        "mail.one.rate is \"0/1m\"",
        "mail.one.from is \"nobody\", no address",
        "mail.two.backend is missing",
        "mail.three.host is missing",
        "mail.three.tls is \"ssl\"; write \"starttls\", \"implicit\", \"none\"",
        "mail.four.admins is \"x\"; write a list",
        "mail.five.ambiguous is \"perhaps\"",
        "mail.five.adress is no setting",
        "mail.five.redirect_all[0] is \"a@b@c\", no address",
    ] {
        assert!(told.contains(expected), "no {expected:?} in\n{told}");
    }
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn folders_signatures_and_what_comes_back_are_read_beside_the_settings_file() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.0.join("out")).unwrap();
    let mailer = |keys: &str| {
        let text = format!("{MEMORY}[mail.default]\nbackend = \"memory\"\n{keys}");
        let path = folder.write("callboard.toml", &text);
        Settings::from_file(&path, [])
    };
    let settings = mailer(
        "spool = \"spool\"\nfiles = \"out\"\nbounces = \"bounce@example.com\"\non_bounce = \"shop.mail_bounced\"\n",
    );
    let options = settings.unwrap().mail.mailers["default"].clone();
    assert_eq!((options.spool, options.files), (Some(folder.0.join("spool")), Some(folder.0.join("out"))));
    assert_eq!(options.bounces.unwrap().email, "bounce@example.com");
    assert_eq!(options.on_bounce.as_deref(), Some("shop.mail_bounced"));
    assert!(!folder.0.join("spool").exists(), "reading settings makes nothing");
    for (keys, told) in [
        ("files = \"out\"\n", "mail.default.spool is missing; mail with files may be too large"),
        ("spool = \"spool\"\nfiles = \"nowhere\"\n", "nowhere, which is no folder"),
        ("spool = \"callboard.toml\"\n", "callboard.toml is no folder"),
        (
            "bounces = \"a+b@example.com\"\n",
            "mail.default.bounces is a+b@example.com, to which the name of a mail cannot be added",
        ),
        ("on_bounce = \"a b\"\n", "mail.default.on_bounce"),
        ("dkim_selector = \"mail\"\n", "mail.default.dkim_key_file is missing; name the file"),
        ("dkim_key_file = \"dkim.pem\"\n", "mail.default.dkim_selector is missing; write which key"),
        ("dkim_domain = \"example.com\"\n", "mail.default.dkim_key_file is missing; without a key"),
        ("dkim_selector = \"mail\"\ndkim_key_file = \"dkim.pem\"\n", "dkim.pem, which cannot be read"),
        (
            "dkim_selector = \"mail\"\ndkim_key_file = \"dkim.pem\"\ndkim_domain = \"a b\"\n",
            "mail.default.dkim_domain is \"a b\"",
        ),
    ] {
        let error = mailer(keys).unwrap_err().to_string();
        assert!(error.contains(told), "no {told:?} in {error}");
    }
}

#[test]
fn previews_are_shown_only_where_it_is_said() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("templates")).unwrap();
    let read = |line: &str| {
        let path = folder.write("callboard.toml", &format!("{MEMORY}[templates]\ndir = \"templates\"\n{line}"));
        Settings::from_file(&path, [])
    };
    assert!(!read("").unwrap().mail.previews);
    assert!(read("previews = true\n").unwrap().mail.previews);
    let error = read("previews = \"yes\"\n").unwrap_err().to_string();
    assert!(error.contains("templates.previews is \"yes\"; write true or false"), "{error}");
}

#[test]
fn templates_are_read_with_the_settings_and_each_fault_is_named() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("templates")).unwrap();
    folder.write(
        "templates/a.email",
        "{% partialdef subject %}S{% endpartialdef %}{% partialdef text %}T{% endpartialdef %}",
    );
    let path = folder.write("callboard.toml", &format!("{MEMORY}[templates]\ndir = \"templates\"\n"));
    let settings = Settings::from_file(&path, []).unwrap();
    assert_eq!(settings.mail.templates, Some(folder.0.join("templates")));
    folder.write("templates/b.email", "{% partialdef subject %}{{ 1 + }}{% endpartialdef %}");
    let error = Settings::from_file(&path, []).unwrap_err().to_string();
    assert!(error.contains("templates.dir has a template with a problem: b.email:1"), "{error}");
    folder.write("callboard.toml", &format!("{MEMORY}[templates]\ndir = \"nowhere\"\n"));
    let error = Settings::from_file(&path, []).unwrap_err().to_string();
    assert!(error.contains("templates.dir cannot be used: the templates in"), "{error}");
}
