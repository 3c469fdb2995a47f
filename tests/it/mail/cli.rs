//! `callboard mail test` and `mail preview`, `check` of mail settings and templates (Django 264; M10).

use super::server::{Act, Smtp};
use crate::support::{Folder, Ran, callboard, run};

fn with_settings(settings: &str) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    folder.write("templates/welcome.email", include_str!("../../../examples/templates/welcome.email"));
    folder.write("callboard.toml", settings);
    folder
}

#[track_caller]
fn cli(folder: &Folder, arguments: &[&str]) -> Ran {
    run(callboard(folder, arguments, &[]))
}

fn smtp_settings(smtp: &Smtp) -> String {
    format!(
        "[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\nfrom = \"shop@example.com\"\n\
         admins = [\"ops@example.com\"]\nserver_from = \"root@example.com\"\n",
        smtp.port()
    )
}

#[test]
fn django_264_a_test_mail_goes_to_addresses_admins_and_managers_each_its_own() {
    let smtp = Smtp::start();
    let folder = with_settings(&smtp_settings(&smtp));
    let ran = cli(&folder, &["mail", "test", "ann@example.com", "bob@example.com", "--admins"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("sent to ann@example.com, bob@example.com: 250 2.0.0 queued as ABC"), "{}", ran.stderr);
    let [addresses, admins] = smtp.mails().try_into().unwrap();
    assert_eq!((addresses.to.len(), addresses.from.as_str()), (2, "shop@example.com"));
    assert_eq!((admins.to, admins.from.as_str()), (vec!["ops@example.com".to_owned()], "root@example.com"));
}

#[test]
fn a_test_mail_to_nobody_is_a_mistake_and_one_that_fails_a_failure_with_its_reason() {
    let smtp = Smtp::with(|moment| (moment.verb == "RCPT").then_some(Act::Say("550 5.1.1 no such user")));
    let folder = with_settings(&smtp_settings(&smtp));
    let ran = cli(&folder, &["mail", "test"]);
    assert_eq!((ran.code, ran.stderr.contains("nobody to send to")), (2, true), "{}", ran.stderr);
    let ran = cli(&folder, &["mail", "test", "--managers"]);
    assert_eq!((ran.code, ran.stderr.contains("has no managers")), (2, true), "{}", ran.stderr);
    let ran = cli(&folder, &["mail", "test", "--mailer", "bulk", "a@example.com"]);
    assert_eq!((ran.code, ran.stderr.contains("there is no mailer \"bulk\"")), (2, true), "{}", ran.stderr);
    let ran = cli(&folder, &["mail", "test", "ann@example.com"]);
    assert_eq!((ran.code, ran.stderr.contains("550 5.1.1 no such user")), (1, true), "{}", ran.stderr);
    let ran = cli(&folder, &["mail", "test", "nobody"]);
    assert_eq!((ran.code, ran.stderr.contains("to/0 is \"nobody\", no address")), (2, true), "{}", ran.stderr);
}

#[test]
fn without_settings_a_test_mail_is_written_to_the_console() {
    let ran = cli(&Folder::new(), &["mail", "test", "ann@example.com"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("Subject: A test of callboard\nFrom: webmaster@localhost\nTo: ann@example.com\n"));
    assert!(ran.stdout.ends_with(&format!("\n{}\n", "-".repeat(79))), "{}", ran.stdout);
}

#[test]
fn a_preview_shows_what_a_template_makes() {
    let folder = with_settings("[templates]\ndir = \"templates\"\n");
    let list = cli(&folder, &["mail", "preview"]);
    assert_eq!((list.code, list.stdout.as_str()), (0, "welcome.email\n"), "{}", list.stderr);
    let context = r#"{"username": "Ann & Bob", "url": "https://example.com"}"#;
    let preview =
        |part: &str| cli(&folder, &["mail", "preview", "welcome", "--part", part, "--context", context]).stdout;
    assert_eq!(preview("subject"), "Welcome, Ann & Bob\n");
    assert!(preview("text").starts_with("Hello Ann & Bob,\n"));
    assert!(preview("html").contains("<p>Hello Ann &amp; Bob,</p>"));
    assert!(preview("source").contains("\nContent-Type: multipart/alternative;"));
    assert!(preview("all").contains("bytes of HTML"));
    folder.write("templates/welcome.preview.json", r#"{"username": "Carl", "url": "u"}"#);
    assert_eq!(cli(&folder, &["mail", "preview", "welcome.email", "--part", "subject"]).stdout, "Welcome, Carl\n");
    let missing = cli(&folder, &["mail", "preview", "wellcome"]);
    assert_eq!(
        (missing.code, missing.stderr.contains("there is no template \"wellcome\"")),
        (1, true),
        "{}",
        missing.stderr
    );
}

#[test]
fn check_finds_bad_templates_and_bad_mail_settings_and_the_server_does_not_start_with_them() {
    let folder = with_settings(
        "[mail.default]\nbackend = \"smtp\"\nhost = \"smtp.example.com\"\ntls = \"none\"\nfrom = \"nobody\"\nusername = \"shop\"\n\
         [mail.bulk]\nbackend = \"smpt\"\nrate = \"100\"\n[templates]\ndir = \"templates\"\n",
    );
    folder.write("templates/broken.email", "{% partialdef subject %}{{ 1 + }}{% endpartialdef %}");
    let ran = cli(&folder, &["check"]);
    assert_eq!(ran.code, 1);
    for told in [
        "mail.default.tls is \"none\", so everybody",
        "mail.default.from is \"nobody\", no address",
        "mail.default.password is missing",
        "mail.bulk.backend is \"smpt\"; did you mean \"smtp\"?",
        "mail.bulk.rate is \"100\"; write a number of mails and a time",
        "templates.dir has a template with a problem: broken.email:1",
    ] {
        assert!(ran.stdout.contains(told), "no {told:?} in {}", ran.stdout);
    }
    let ran = cli(&folder, &["serve", "--bind", "127.0.0.1:0"]);
    assert_eq!((ran.code, ran.stderr.contains("broken.email:1")), (2, true), "{}", ran.stderr);
}

#[test]
fn a_check_before_deployment_finds_mail_that_goes_nowhere() {
    let folder = with_settings("[mail.default]\nbackend = \"console\"\n");
    assert_eq!(cli(&folder, &["check"]).code, 0);
    let ran = cli(&folder, &["check", "--deploy"]);
    assert_eq!(
        (ran.code, ran.stdout.contains("mail.default.backend is \"console\", which sends nothing")),
        (1, true),
        "{}",
        ran.stdout
    );
}
