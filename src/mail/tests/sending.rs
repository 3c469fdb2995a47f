//! Mailers without a server, and the functions of Django (242 to 247, 251, 257, 259 to 263).

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;

use super::*;

fn memory(options: MailerOptions) -> Mailer {
    Mailers::builder().mailer("default", options).build().unwrap().default().unwrap()
}

fn standard() -> MailerOptions {
    MailerOptions::new(Transport::Memory).from(("The Shop", "shop@example.com"))
}

#[test]
fn django_242_263_mailers_are_found_by_alias_and_unknown_ones_are_named() {
    let mailers = Mailers::builder().mailer("default", standard()).mailer("bulk", standard()).build().unwrap();
    assert_eq!(mailers.aliases().collect::<Vec<_>>(), ["bulk", "default"]);
    assert!(mailers.contains("bulk") && !mailers.contains("balk"));
    assert_eq!(mailers.get("bulk").unwrap().alias(), "bulk");
    let error = mailers.get("balk").unwrap_err().to_string();
    assert_eq!(error, "there is no mailer \"balk\"; there are bulk, default");
    let none = Mailers::builder().build().unwrap();
    assert!(none.default().unwrap_err().to_string().contains("none at all"), "no mailer is allowed");
}

#[test]
fn an_option_that_cannot_be_is_refused_with_its_name() {
    let refused = |options| {
        let error = Mailers::builder().mailer("default", options).build().unwrap_err();
        assert_eq!(error.alias, "default");
        error.option
    };
    let smtp = || SmtpOptions::new("127.0.0.1");
    assert_eq!(refused(MailerOptions::smtp(SmtpOptions::new(""))), "host");
    let login = |name: &str, password: &str| Some((name.to_owned(), Password(password.into())));
    assert_eq!(
        refused(MailerOptions::smtp(SmtpOptions { login: login("ann", ""), ..smtp() })),
        "password",
        "Django 257"
    );
    assert_eq!(refused(MailerOptions::smtp(SmtpOptions { login: login("", "x"), ..smtp() })), "username");
    assert_eq!(refused(MailerOptions::smtp(SmtpOptions { connections: 0, ..smtp() })), "connections");
    let ca_file = Some("/nonexistent.pem".into());
    assert_eq!(refused(MailerOptions::smtp(SmtpOptions { tls: Tls::StartTls, ca_file, ..smtp() })), "ca_file");
    assert_eq!(refused(standard().from("nobody")), "from");
    assert_eq!(refused(standard().admins("nobody")), "admins", "Django 261");
    assert_eq!(refused(standard().rate(0, Duration::from_secs(1))), "rate");
    let file = std::env::temp_dir().join(format!("callboard-mail-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    assert_eq!(refused(MailerOptions::new(Transport::File(file.clone()))), "path", "Django 246");
    std::fs::remove_file(file).unwrap();
    let error = Mailers::builder().mailer("a b", standard()).build().unwrap_err();
    assert!(error.to_string().contains("has an alias that"), "{error}");
}

#[test]
fn django_248_ports_follow_from_the_encryption_and_this_machine_needs_none() {
    let options = |host: &str| SmtpOptions::new(host);
    assert_eq!((options("smtp.example.com").tls, options("smtp.example.com").port), (Tls::StartTls, 587));
    assert_eq!((options("127.0.0.1").tls, options("localhost").port), (Tls::None, 25));
    assert_eq!(options("[::1]").tls, Tls::None);
    assert_eq!(Tls::Implicit.port(), 465);
}

#[test]
fn django_245_the_outbox_keeps_what_was_sent_as_it_was() {
    let mailer = memory(standard());
    let mut mail = Email::new("One").to("ann@example.com").text("1");
    block_on(mailer.send(&mail)).unwrap();
    mail.subject = "Two".into();
    let [sent] = mailer.outbox().try_into().unwrap();
    let sent: Arc<Message> = sent;
    assert!(sent.source.text().starts_with("Subject: One\r\nFrom: \"The Shop\" <shop@example.com>\r\n"));
    let wrong = Email { subject: "a\nb".into(), ..mail };
    assert!(matches!(block_on(mailer.send(&wrong)), Err(MailError::Invalid(_))));
    assert_eq!(mailer.outbox().len(), 1, "nothing of it was stored");
    mailer.clear_outbox();
    assert!(mailer.outbox().is_empty());
}

#[test]
fn django_246_a_folder_gets_a_file_for_each_mail_and_one_for_a_mail_sent_twice() {
    let folder = std::env::temp_dir().join(format!("callboard-mail-folder-{}", std::process::id()));
    let mailer = memory(MailerOptions::new(Transport::File(folder.join("sent"))).from("shop@example.com"));
    let mail = |n: u32| Email::new("x").to("ann@example.com").header("Message-ID", format!("<../{n}@example.com>"));
    for n in [1, 2, 2] {
        block_on(mailer.send(&mail(n))).unwrap();
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join("sent")).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["_1@example.com.eml", "_2@example.com.eml"]);
    let text = std::fs::read_to_string(folder.join("sent/_1@example.com.eml")).unwrap();
    assert!(text.contains("Message-ID: <../1@example.com>\r\n"), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn django_259_send_mail_counts_mails_and_not_recipients() {
    let mailer = memory(standard());
    let send = |to: Vec<&str>, html| block_on(mailer.send_mail("S", "T", None, to, html)).unwrap();
    assert_eq!(send(vec!["a@example.com", "b@example.com"], Some("<p>H</p>")), 1);
    assert_eq!(send(vec![], None), 0);
    assert_eq!(send(vec!["a@example.com"], Some("")), 1);
    let outbox = mailer.outbox();
    assert!(outbox[0].source.text().contains("multipart/alternative"));
    assert!(!outbox[1].source.text().contains("multipart"), "an empty HTML is none");
}

#[test]
fn django_260_243_251_send_mass_mail_counts_those_that_went_somewhere() {
    let mailer = memory(standard());
    let mails = [Email::new("1").to("a@example.com"), Email::new("2").to("b@example.com"), Email::new("3")];
    assert_eq!(block_on(mailer.send_mass_mail(&mails)).unwrap(), 2);
    assert_eq!(block_on(mailer.send_mass_mail(std::iter::empty())).unwrap(), 0);
    assert_eq!(
        block_on(mailer.send_mass_mail(mails.iter().filter(|mail| mail.subject != "1"))).unwrap(),
        1,
        "an iterator"
    );
    let outcomes = block_on(mailer.send_all(&mails));
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false], "each has its outcome");
}

#[test]
fn django_261_admins_and_managers_are_told_with_the_prefix_and_nobody_if_there_are_none() {
    let mut options = standard().admins(["ops@example.com", "dev@example.com"]);
    options.server_from = Some("root@localhost".into());
    options.subject_prefix = "[Shop] ".into();
    let mailer = memory(options);
    block_on(mailer.mail_admins("Down", "It is down.", Some("<p>Down</p>"))).unwrap();
    block_on(mailer.mail_managers("Nobody", "hears", None)).unwrap();
    let [sent] = mailer.outbox().try_into().unwrap();
    assert_eq!(sent.to, ["ops@example.com", "dev@example.com"]);
    assert!(sent.source.text().starts_with("Subject: [Shop] Down\r\nFrom: root@localhost\r\n"));
}

#[test]
fn while_developing_everything_goes_to_one_address_that_sees_whose_it_was() {
    let mailer = memory(MailerOptions { redirect_all: vec!["me@example.com".into()], ..standard() });
    block_on(mailer.send(&Email::new("S").to("ann@example.com").bcc("bob@example.com"))).unwrap();
    let [sent] = mailer.outbox().try_into().unwrap();
    assert_eq!(sent.to, ["me@example.com"]);
    assert!(
        sent.source.text().starts_with("X-Original-To: ann@example.com\r\nX-Original-To: bob@example.com\r\nSubject")
    );
}

#[test]
fn domains_that_are_not_allowed_get_nothing_and_are_named() {
    let options = MailerOptions { allow_domains: Some(vec!["example.com".into(), "öäü.com".into()]), ..standard() };
    let mailer = memory(options);
    let mail = Email::new("S").to(["a@EXAMPLE.com", "b@xn--4ca9at.com", "c@elsewhere.test", "d@sub.example.com"]);
    let delivery = block_on(mailer.send(&mail)).unwrap();
    assert_eq!(delivery.accepted, ["a@example.com", "b@xn--4ca9at.com"]);
    let refused: Vec<_> = delivery.refused.iter().map(|refusal| refusal.address.as_str()).collect();
    assert_eq!(refused, ["c@elsewhere.test", "d@sub.example.com"]);
    let error = block_on(mailer.send(&Email::new("S").to("c@elsewhere.test"))).unwrap_err();
    assert!(error.to_string().contains("allow_domains"), "{error}");
}

#[test]
fn a_paused_mailer_says_so_and_sends_again_when_it_is_told_to() {
    let mailer = memory(standard());
    block_on(mailer.pause()).unwrap();
    assert_eq!(mailer.health().held, Some(("paused by hand".into(), None)));
    let error = block_on(mailer.send(&Email::new("S").to("a@example.com"))).unwrap_err();
    assert!(matches!(&error, MailError::Send(SendError { class: FailureClass::Held(_), .. })), "{error}");
    assert!(mailer.outbox().is_empty());
    block_on(mailer.resume()).unwrap();
    block_on(mailer.send(&Email::new("S").to("a@example.com"))).unwrap();
    let health = mailer.health();
    assert_eq!((health.held, health.sent, health.transport), (None, 1, "memory"));
}

#[test]
fn a_rate_lets_so_many_through_and_the_next_wait_or_are_told_when_to_come_back() {
    let mailer = memory(standard().rate(2, Duration::from_millis(400)));
    let message = || Arc::new(mailer.build(&Email::new("S").to("a@example.com")).unwrap());
    for _ in 0..2 {
        block_on(mailer.deliver(message(), Duration::ZERO)).unwrap();
    }
    let error = block_on(mailer.deliver(message(), Duration::ZERO)).unwrap_err();
    assert!(matches!(error.class, FailureClass::Held(pause) if pause <= Duration::from_millis(200)), "{error:?}");
    block_on(mailer.deliver(message(), Duration::from_secs(5))).unwrap();
    assert_eq!(mailer.outbox().len(), 3);
}

#[test]
fn an_outbox_keeps_the_last_two_hundred() {
    let mailer = memory(standard());
    for n in 0..205 {
        block_on(mailer.send(&Email::new(n.to_string()).to("a@example.com"))).unwrap();
    }
    let outbox = mailer.outbox();
    assert_eq!(outbox.len(), 200);
    assert!(outbox[0].source.text().starts_with("Subject: 5\r\n"));
}

#[test]
fn a_password_is_never_printed() {
    let login = Some(("ann".to_owned(), Password("s3cret".into())));
    let options = MailerOptions::smtp(SmtpOptions { login, ..SmtpOptions::new("127.0.0.1") });
    let mailers = Mailers::builder().mailer("default", options.clone()).build().unwrap();
    let printed = format!("{options:?} {mailers:?} {:?}", mailers.default().unwrap());
    assert!(!printed.contains("s3cret"), "{printed}");
}
