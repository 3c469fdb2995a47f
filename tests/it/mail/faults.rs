//! What a mailer and its tasks make of a server that fails: one test for each way (M5, Django 248 to 258).

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::mail::{
    Ambiguous, Deadlines, Delivery, Email, FailureClass, MailError, Mailer, MailerOptions, Mailers, Message, Password,
    SendError, SmtpOptions, Step, Tls, WithMail as _, send_message,
};
use callboard::{Callboard, Data, Phase, Stop, TaskContext, TaskResult, task, tasks};
use futures::executor::block_on;

use super::server::{Act, Certificate, Moment, Smtp};
use crate::support::{Folder, wait_until};

fn options(server: &Smtp) -> SmtpOptions {
    SmtpOptions {
        port: server.port(),
        deadlines: Deadlines::all(Duration::from_secs(20)),
        ..SmtpOptions::new("127.0.0.1")
    }
}

fn mailer_of(options: MailerOptions) -> Mailer {
    let options = options.from("shop@example.com");
    Mailers::builder().mailer("default", options).build().unwrap().default().unwrap()
}

fn mailer(server: &Smtp) -> Mailer {
    mailer_of(MailerOptions::smtp(options(server)))
}

fn mail() -> Email {
    Email::new("Hello").to("ann@example.com").text("Hi.")
}

/// What sending fails with.
#[track_caller]
fn failure(mailer: &Mailer, mail: &Email) -> SendError {
    match block_on(mailer.send(mail)) {
        Err(MailError::Send(error)) => error,
        other => panic!("not a failure of sending: {other:?}"),
    }
}

fn on(verb: &'static str, act: Act) -> impl Fn(&Moment) -> Option<Act> + Send + Sync + 'static {
    move |moment| (moment.verb == verb).then(|| act.clone())
}

#[test]
fn mail_goes_out_with_its_envelope_and_the_answer_comes_back() {
    let server = Smtp::start();
    let mail = mail().cc("Bob <bob@example.com>").bcc("eve@öäü.com").text(".a\n..b\n");
    let delivery = block_on(mailer(&server).send(&mail)).unwrap();
    assert_eq!(delivery.accepted, ["ann@example.com", "bob@example.com", "eve@xn--4ca9at.com"]);
    assert_eq!(delivery.reply.to_string(), "250 2.0.0 queued as ABC");
    let [taken] = server.mails().try_into().unwrap();
    assert_eq!((taken.from.as_str(), taken.to), ("shop@example.com", delivery.accepted));
    assert!(String::from_utf8_lossy(&taken.source).ends_with("\r\n\r\n.a\r\n..b\r\n"), "dots are what they were");
    assert!(server.lines()[1].starts_with("MAIL FROM:<shop@example.com> SIZE="), "{:?}", server.lines());
}

#[test]
fn django_252_lines_end_as_those_of_mail_do_whatever_the_author_wrote() {
    let server = Smtp::start();
    let inner = callboard::mail::Attachment::message("m.eml", "Subject: a\nX: b\r\n\rtext\r");
    let file = callboard::mail::Attachment::new("a.txt", "one\ntwo\rthree\r\n");
    let mail = mail().text("one\ntwo\rthree\r\nfour").html("<p>\r</p>\n").attach(inner).attach(file);
    block_on(mailer(&server).send(&mail)).unwrap();
    let [taken] = server.mails().try_into().unwrap();
    let rest = taken.text().replace("\r\n", "");
    assert!(!rest.contains(['\r', '\n']), "{rest:?}");
}

#[test]
fn connections_are_used_again_and_closed_after_their_number_of_mails() {
    let server = Smtp::start();
    let smtp = SmtpOptions { mails_per_connection: 3, ..options(&server) };
    let mailer = mailer_of(MailerOptions::smtp(smtp));
    for _ in 0..7 {
        block_on(mailer.send(&mail())).unwrap();
    }
    assert_eq!((server.mails().len(), server.connections()), (7, 3));
}

#[test]
fn no_more_connections_than_allowed_are_open_at_once() {
    let server = Smtp::with(on("END", Act::Wait(Duration::from_millis(100))));
    let mailer = mailer_of(MailerOptions::smtp(SmtpOptions { connections: 2, ..options(&server) }));
    let mail = mail();
    let sends = (0..8).map(|_| mailer.send(&mail));
    let outcomes = block_on(futures::future::join_all(sends));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((server.mails().len(), server.connections()), (8, 2));
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_replaced_and_nobody_notices() {
    let server = Smtp::with(|moment| (moment.verb == "MAIL" && moment.nth == 2).then_some(Act::Close));
    let mailer = mailer(&server);
    for _ in 0..3 {
        block_on(mailer.send(&mail())).unwrap();
    }
    let server = Smtp::with(|moment| (moment.verb == "MAIL" && moment.nth == 2).then_some(Act::Say("421 4.4.2 idle")));
    let other = self::mailer(&server);
    for _ in 0..3 {
        block_on(other.send(&mail())).unwrap();
    }
    assert_eq!(server.mails().len(), 3);
}

#[test]
fn a_thousand_mails_over_one_connection_need_no_pause_for_each() {
    // With Nagle's algorithm it would be 44 s.
    let server = Smtp::start();
    let smtp = SmtpOptions { connections: 1, mails_per_connection: 10_000, ..options(&server) };
    let mailer = mailer_of(MailerOptions::smtp(smtp));
    let (mail, start) = (mail(), Instant::now());
    let outcomes = block_on(futures::future::join_all((0..1_000).map(|_| mailer.send(&mail))));
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((server.mails().len(), server.connections()), (1_000, 1));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn one_recipient_that_is_refused_does_not_lose_the_others() {
    let server = Smtp::with(|moment| match moment.line.as_str() {
        "RCPT TO:<nobody@example.com>" => Some(Act::Say("550 5.1.1 no such user")),
        "RCPT TO:<later@example.com>" => Some(Act::Say("451 4.7.1 greylisted")),
        _ => None,
    });
    let mail = mail().to(["nobody@example.com", "later@example.com", "bob@example.com"]);
    let delivery = block_on(mailer(&server).send(&mail)).unwrap();
    assert_eq!(delivery.accepted, ["ann@example.com", "bob@example.com"]);
    assert_eq!(delivery.refused[0].address, "nobody@example.com");
    assert_eq!(delivery.refused[0].reply.enhanced(), Some((5, 1, 1)));
    assert_eq!(delivery.deferred[0].address, "later@example.com");
    assert_eq!(server.mails()[0].to, ["ann@example.com", "bob@example.com"]);
}

#[test]
fn each_answer_has_its_class_and_the_connection_goes_on_where_it_can() {
    for (verb, answer, class, step) in [
        ("CONNECT", "554 5.3.2 go away", FailureClass::Setup, Step::Greeting),
        ("CONNECT", "421 4.3.2 not now", FailureClass::Temporary, Step::Greeting),
        ("EHLO", "550 5.7.1 who are you", FailureClass::Setup, Step::Hello),
        ("MAIL", "451 4.3.0 later", FailureClass::Temporary, Step::Sender),
        ("MAIL", "550 5.7.1 not you", FailureClass::Permanent, Step::Sender),
        ("RCPT", "550 5.1.1 no such user", FailureClass::Permanent, Step::Recipients),
        ("RCPT", "452 4.2.2 full", FailureClass::Temporary, Step::Recipients),
        ("RCPT", "421 4.3.2 closing", FailureClass::Temporary, Step::Recipients),
        ("DATA", "451 4.3.0 later", FailureClass::Temporary, Step::Data),
        ("DATA", "554 5.5.1 no", FailureClass::Permanent, Step::Data),
        ("END", "452 4.3.1 no room", FailureClass::Temporary, Step::End),
        ("END", "554 5.7.1 spam", FailureClass::Permanent, Step::End),
    ] {
        let server = Smtp::with(move |moment| (moment.verb == verb && moment.nth == 1).then_some(Act::Say(answer)));
        let mailer = mailer(&server);
        let error = failure(&mailer, &mail());
        assert_eq!((error.class, error.step), (class, step), "{verb} {answer}: {error}");
        assert_eq!(error.reply.as_ref().unwrap().to_string(), answer);
        assert!(server.mails().is_empty());
        if class != FailureClass::Setup {
            block_on(mailer.send(&mail())).unwrap_or_else(|error| panic!("after {verb} {answer}: {error}"));
            assert_eq!(server.mails().len(), 1);
        }
    }
}

#[test]
fn a_server_that_breaks_off_before_the_end_has_not_got_the_mail_and_after_it_nobody_knows() {
    for (verb, class, step) in [
        ("CONNECT", FailureClass::Unreachable, Step::Greeting),
        ("EHLO", FailureClass::Unreachable, Step::Hello),
        ("RCPT", FailureClass::Unreachable, Step::Recipients),
        ("DATA", FailureClass::Unreachable, Step::Data),
        ("END", FailureClass::Ambiguous, Step::End),
    ] {
        let server = Smtp::with(on(verb, Act::Close));
        let error = failure(&mailer(&server), &mail());
        assert_eq!((error.class, error.step), (class, step), "{verb}: {error}");
    }
    let server = Smtp::with(on("END", Act::TakeAndClose));
    let error = failure(&mailer(&server), &mail());
    assert_eq!(error.class, FailureClass::Ambiguous);
    assert!(error.to_string().starts_with("it is not known whether the mail was taken"), "{error}");
    assert_eq!(server.mails().len(), 1, "this one had it");
}

#[test]
fn a_server_that_says_nothing_is_waited_for_at_each_step_as_long_as_its_deadline() {
    for (verb, step) in [
        ("CONNECT", Step::Greeting),
        ("EHLO", Step::Hello),
        ("MAIL", Step::Sender),
        ("RCPT", Step::Recipients),
        ("DATA", Step::Data),
        ("END", Step::End),
    ] {
        let server = Smtp::with(on(verb, Act::Wait(Duration::from_secs(20))));
        let deadlines = Deadlines::all(Duration::from_millis(300));
        let mailer = mailer_of(MailerOptions::smtp(SmtpOptions { deadlines, ..options(&server) }));
        let start = Instant::now();
        let error = failure(&mailer, &mail());
        assert_eq!(error.step, step, "{verb}: {error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{verb} took {:?}", start.elapsed());
    }
}

#[test]
fn what_is_no_smtp_is_an_error_and_an_endless_answer_ends() {
    for text in ["HTTP/1.1 200 OK\r\n", "999 what\r\n", "250-a\r\n550 b\r\n", "\r\n", "é\u{1}\r\n"] {
        let server = Smtp::with(on("EHLO", Act::Raw(text)));
        assert_eq!(failure(&mailer(&server), &mail()).class, FailureClass::Unreachable, "{text:?}");
    }
    let endless: &'static str = Box::leak("250-x\r\n".repeat(20_000).into_boxed_str());
    let server = Smtp::with(on("EHLO", Act::Raw(endless)));
    assert_eq!(failure(&mailer(&server), &mail()).step, Step::Hello);
}

#[test]
fn a_mail_that_the_server_cannot_take_is_not_sent() {
    let server = Smtp::with(on("EHLO", Act::Say("250-mx.test\r\n250 SIZE 1000")));
    let mailer = mailer(&server);
    let error = failure(&mailer, &mail().text("x\n".repeat(1_000)));
    assert_eq!((error.class, error.step), (FailureClass::Unfit, Step::Sender), "{error}");
    let foreign = callboard::mail::Attachment::message("a.eml", "Subject: ä\r\n\r\n".as_bytes().to_vec());
    let error = failure(&mailer, &mail().attach(foreign));
    assert_eq!(error.class, FailureClass::Unfit, "it does not offer 8BITMIME: {error}");
    block_on(mailer.send(&mail())).unwrap();
    assert_eq!(server.connections(), 1, "the connection was not to blame");
}

#[test]
fn a_server_of_before_1995_is_greeted_as_it_knows() {
    let server = Smtp::with(on("EHLO", Act::Say("502 what")));
    block_on(mailer(&server).send(&mail())).unwrap();
    assert!(server.lines()[1].starts_with("HELO "), "{:?}", server.lines());
}

#[test]
fn nobody_there_is_an_error_and_after_five_the_mailer_holds_mail_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mailer = mailer_of(MailerOptions::smtp(SmtpOptions { port: free, ..SmtpOptions::new("127.0.0.1") }));
    for _ in 0..5 {
        let error = failure(&mailer, &mail());
        assert_eq!((error.class, error.step), (FailureClass::Unreachable, Step::Connect), "{error}");
    }
    let error = failure(&mailer, &mail());
    assert!(matches!(error.class, FailureClass::Held(_)), "{error}");
    let held = wait_until("its health says so", || mailer.health().held);
    assert!(held.0.contains("cannot be reached"), "{held:?}");
    block_on(mailer.resume()).unwrap();
    assert_eq!(failure(&mailer, &mail()).class, FailureClass::Unreachable, "it tries again when told to");
}

// TLS and logging in.

fn with_ca(server: &Smtp, folder: &Folder, certificate: &Certificate, tls: Tls) -> SmtpOptions {
    folder.write("ca.pem", &certificate.pem);
    SmtpOptions { tls, ca_file: Some(folder.path().join("ca.pem")), ..options(server) }
}

#[test]
fn starttls_and_implicit_tls_encrypt_before_anything_of_the_mail_is_said() {
    let certificate = Certificate::new(&["127.0.0.1"]);
    let folder = Folder::new();
    for (implicit, tls) in [(false, Tls::StartTls), (true, Tls::Implicit)] {
        let server = Smtp::encrypted(&certificate, implicit);
        let login = Some(("shop".to_owned(), Password("s3cret".into())));
        let options = SmtpOptions { login, ..with_ca(&server, &folder, &certificate, tls) };
        let mailer = mailer_of(MailerOptions::smtp(options));
        for _ in 0..2 {
            block_on(mailer.send(&mail())).unwrap();
        }
        let [first, second] = server.mails().try_into().unwrap();
        assert!(first.encrypted && second.encrypted);
        assert_eq!(first.login.unwrap(), "AUTH PLAIN AHNob3AAczNjcmV0");
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn without_starttls_where_it_is_wanted_nothing_is_sent() {
    let folder = Folder::new();
    let certificate = Certificate::new(&["127.0.0.1"]);
    let server = Smtp::start();
    let mailer = mailer_of(MailerOptions::smtp(with_ca(&server, &folder, &certificate, Tls::StartTls)));
    let error = failure(&mailer, &mail());
    assert_eq!((error.class, error.step), (FailureClass::Setup, Step::Tls), "{error}");
    assert_eq!(server.lines().len(), 1, "nothing after EHLO: {:?}", server.lines());
}

#[test]
fn a_certificate_that_nobody_vouches_for_or_of_another_name_is_not_believed() {
    let folder = Folder::new();
    let (known, other) = (Certificate::new(&["127.0.0.1"]), Certificate::new(&["other.test"]));
    let server = Smtp::encrypted(&Certificate::new(&["127.0.0.1"]), false);
    let mailer = mailer_of(MailerOptions::smtp(with_ca(&server, &folder, &known, Tls::StartTls)));
    assert_eq!(failure(&mailer, &mail()).step, Step::Tls);
    let server = Smtp::encrypted(&other, true);
    let mailer = mailer_of(MailerOptions::smtp(with_ca(&server, &folder, &other, Tls::Implicit)));
    let error = failure(&mailer, &mail());
    assert_eq!((error.class, error.step), (FailureClass::Setup, Step::Tls), "{error}");
    assert!(server.mails().is_empty());
}

#[test]
fn answers_that_somebody_slips_in_before_the_handshake_are_not_believed() {
    let folder = Folder::new();
    let certificate = Certificate::new(&["127.0.0.1"]);
    let slip = |moment: &Moment| {
        (moment.verb == "STARTTLS").then_some(Act::Raw("220 go on\r\n250-mx.test\r\n250 AUTH PLAIN\r\n"))
    };
    let server = Smtp::encrypted_with(&certificate, false, slip);
    let mailer = mailer_of(MailerOptions::smtp(with_ca(&server, &folder, &certificate, Tls::StartTls)));
    let error = failure(&mailer, &mail());
    assert_eq!((error.class, error.step), (FailureClass::Setup, Step::Tls), "{error}");
    assert!(error.detail.contains("in the open"), "{error}");
}

#[test]
fn django_249_a_log_in_that_fails_leaves_no_connection_and_stops_the_mailer_so_that_mail_waits() {
    let server = Smtp::with(on("AUTH", Act::Say("535 5.7.8 wrong password")));
    let login = Some(("shop".to_owned(), Password("wrong".into())));
    let mailer = mailer_of(MailerOptions::smtp(SmtpOptions { login, ..options(&server) }));
    let error = failure(&mailer, &mail());
    assert_eq!((error.class, error.step), (FailureClass::Setup, Step::Login), "{error}");
    assert!(!error.to_string().contains("wrong\0"), "{error}");
    assert!(matches!(failure(&mailer, &mail()).class, FailureClass::Held(_)));
    assert_eq!((server.connections(), mailer.health().connections), (1, 0));
}

#[test]
fn a_server_that_wants_auth_login_is_told_name_and_password_in_turn() {
    let server = Smtp::with(|moment| match (moment.verb.as_str(), moment.line.as_str()) {
        ("EHLO", _) => Some(Act::Say("250-mx.test\r\n250 AUTH LOGIN")),
        ("AUTH", _) => Some(Act::Say("334 VXNlcm5hbWU6")),
        (_, "c2hvcA==") => Some(Act::Say("334 UGFzc3dvcmQ6")),
        (_, "czNjcmV0") => Some(Act::Say("235 welcome")),
        _ => None,
    });
    let login = Some(("shop".to_owned(), Password("s3cret".into())));
    let mailer = mailer_of(MailerOptions::smtp(SmtpOptions { login, ..options(&server) }));
    block_on(mailer.send(&mail())).unwrap();
}

// As tasks.

struct World {
    board: Callboard,
    mailer: Mailer,
}

impl World {
    fn new(options: MailerOptions) -> Self {
        let mailers = Mailers::builder().mailer("default", options.from("shop@example.com")).build().unwrap();
        let board = Callboard::builder().memory().tasks([]).mail(mailers.clone());
        Self { board: block_on(board.start()).unwrap(), mailer: mailers.default().unwrap() }
    }

    #[track_caller]
    fn enqueue(&self, mail: &Email) -> TaskResult<Delivery> {
        block_on(self.board.enqueue(self.mailer.call(mail).unwrap())).unwrap()
    }

    /// The job once that holds.
    #[track_caller]
    fn until(&self, job: &mut TaskResult<Delivery>, wish: &str, is: impl Fn(&TaskResult<Delivery>) -> bool) {
        wait_until(wish, || {
            block_on(job.refresh()).unwrap();
            is(job).then_some(())
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        block_on(self.board.shutdown());
    }
}

#[test]
fn every_attempt_sends_the_same_bytes_under_the_same_id() {
    let server = Smtp::with(|moment| (moment.verb == "END" && moment.nth < 3).then_some(Act::TakeAndClose));
    let world = World::new(MailerOptions::smtp(options(&server)));
    let mail = mail().html("<p>Hi.</p>").attach(callboard::mail::Attachment::new("a.pdf", vec![1, 2, 3]));
    let mut job = world.enqueue(&mail);
    world.until(&mut job, "the second attempt waits", |job| job.attempts() == 1 && job.phase() == Phase::RetryWait);
    for attempts in [2, 3] {
        block_on(world.board.change(job.id(), callboard::Change::RunNow)).unwrap();
        world.until(&mut job, "the next attempt has ended", |job| {
            job.attempts() == attempts && job.phase() != Phase::Running && job.phase() != Phase::Ready
        });
    }
    assert_eq!(job.phase(), Phase::Successful);
    let mails = server.until_mails(3);
    assert!(mails.iter().all(|mail| mail.source == mails[0].source), "not the same bytes");
    assert!(mails[0].text().contains(&format!("Message-ID: {}\r\n", job.return_value().unwrap().message_id)));
}

#[test]
fn where_a_mail_must_never_arrive_twice_the_ambiguous_end_is_a_failure_that_says_so() {
    let server = Smtp::with(on("END", Act::TakeAndClose));
    let world = World::new(MailerOptions { ambiguous: Ambiguous::Fail, ..MailerOptions::smtp(options(&server)) });
    let mut job = world.enqueue(&mail());
    world.until(&mut job, "the job has failed", TaskResult::is_finished);
    assert_eq!((job.phase(), job.attempts()), (Phase::Failed, 1));
    assert!(job.errors()[0].message.contains("not known whether the mail was taken"), "{:?}", job.errors());
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn a_refusal_for_good_ends_the_job_at_once_and_a_later_one_is_tried_later() {
    let server = Smtp::with(|moment| match moment.line.as_str() {
        "RCPT TO:<nobody@example.com>" => Some(Act::Say("550 5.1.1 no such user")),
        "RCPT TO:<grey@example.com>" => Some(Act::Say("451 4.7.1 greylisted")),
        _ => None,
    });
    let world = World::new(MailerOptions::smtp(options(&server)));
    let mut dead = world.enqueue(&Email::new("x").to("nobody@example.com"));
    world.until(&mut dead, "the job has failed", TaskResult::is_finished);
    assert_eq!((dead.phase(), dead.attempts()), (Phase::Failed, 1));
    assert!(dead.errors()[0].message.contains("550 5.1.1 no such user"));
    let mut later = world.enqueue(&Email::new("x").to("grey@example.com"));
    world.until(&mut later, "the job waits", |job| job.phase() == Phase::RetryWait);
    assert_eq!(later.max_attempts(), 18);
}

#[test]
fn those_who_are_asked_about_later_get_a_job_of_their_own_with_the_same_mail() {
    let server = Smtp::with(|moment| {
        (moment.line == "RCPT TO:<grey@example.com>" && moment.nth == 2).then_some(Act::Say("451 4.7.1 greylisted"))
    });
    let world = World::new(MailerOptions::smtp(options(&server)));
    let mut job = world.enqueue(&mail().to("grey@example.com"));
    world.until(&mut job, "the job has ended", TaskResult::is_finished);
    let value = job.return_value().unwrap();
    assert_eq!(
        (value.accepted.as_slice(), value.deferred[0].address.as_str()),
        (&["ann@example.com".to_owned()][..], "grey@example.com")
    );
    let filter = callboard::store::Filter { phase: Some(Phase::Scheduled), ..Default::default() };
    let (rest, _) =
        block_on(world.board.list("default", filter, callboard::store::Page { limit: 10, before: None })).unwrap();
    let [rest]: [TaskResult; 1] = rest.try_into().unwrap();
    block_on(world.board.change(rest.id(), callboard::Change::RunNow)).unwrap();
    let mails = server.until_mails(2);
    assert_eq!(
        (mails[0].to.as_slice(), mails[1].to.as_slice()),
        (&["ann@example.com".to_owned()][..], &["grey@example.com".to_owned()][..])
    );
    assert_eq!(mails[0].source, mails[1].source);
}

/// A mail task whose process dies, at its first run, after it has asked for a job for those who are to wait and before its
/// own end is recorded: here it fails there, and runs again under the same id, as a job does that was rescued.
#[task(register = false, backoff = "1ms")]
async fn send_and_die(mailers: Data<Mailers>, attempt: &TaskContext, message: Message) -> Result<Delivery, Stop> {
    let delivery = send_message(mailers, attempt, message, None, None).await?;
    if attempt.attempt() == 1 { Err(Stop::retry_in(Duration::ZERO, "the process died")) } else { Ok(delivery) }
}

#[test]
fn a_job_that_runs_again_after_a_crash_makes_no_second_job_for_those_who_wait() {
    let server = Smtp::with(|moment| match moment.line.as_str() {
        "RCPT TO:<grey@example.com>" | "RCPT TO:<gray@example.com>" => Some(Act::Say("451 4.7.1 greylisted")),
        _ => None,
    });
    let options = MailerOptions::smtp(options(&server)).from("shop@example.com");
    let mailers = Mailers::builder().mailer("default", options).build().unwrap();
    let mailer = mailers.default().unwrap();
    let board = Callboard::builder().memory().tasks(tasks![send_and_die]).mail(mailers);
    let world = World { board: block_on(board.start()).unwrap(), mailer };
    let message = world.mailer.build(&mail().to(["grey@example.com", "gray@example.com"])).unwrap();
    let mut job = block_on(world.board.enqueue(send_and_die::with(message))).unwrap();
    world.until(&mut job, "the job has ended", TaskResult::is_finished);
    assert_eq!((job.phase(), job.attempts(), server.mails().len()), (Phase::Successful, 2, 2));
    let filter = callboard::store::Filter { phase: Some(Phase::Scheduled), ..Default::default() };
    let page = callboard::store::Page { limit: 10, before: None };
    let (rest, _) = block_on(world.board.list("default", filter, page)).unwrap();
    assert_eq!(rest.len(), 1, "both runs asked for the same job");
}

#[test]
fn while_a_mailer_holds_mail_back_jobs_wait_and_spend_no_attempts() {
    let server = Smtp::start();
    let world = World::new(MailerOptions::smtp(options(&server)));
    block_on(world.mailer.pause()).unwrap();
    let mut job = world.enqueue(&mail());
    world.until(&mut job, "the job waits", |job| job.phase() == Phase::Scheduled || job.phase() == Phase::RetryWait);
    assert_eq!((job.attempts(), job.errors().len()), (0, 0));
    let health = block_on(world.board.health());
    let part = health.parts.iter().find(|part| part.name == "mailer:default").unwrap();
    assert_eq!(part.problem.as_deref(), Some("paused by hand"));
    assert!(health.is_ready(), "a mailer in trouble is no reason to send no work here");
    block_on(world.mailer.resume()).unwrap();
    block_on(world.board.change(job.id(), callboard::Change::RunNow)).unwrap();
    world.until(&mut job, "the mail is out", TaskResult::is_finished);
    assert_eq!(server.mails().len(), 1);
    assert!(block_on(world.board.health()).parts.iter().all(|part| part.problem.is_none()));
}

#[test]
fn an_actor_of_the_program_can_send_the_message_itself() {
    let server = Smtp::start();
    let mailer = mailer(&server);
    let message = Arc::new(mailer.build(&mail()).unwrap());
    let deliver = callboard::mail::Deliver { message, patience: Duration::ZERO };
    let delivery = block_on(mailer.recipient().unwrap().send(deliver)).unwrap().unwrap();
    assert_eq!(delivery.accepted, ["ann@example.com"]);
}
