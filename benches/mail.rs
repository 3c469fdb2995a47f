//! How fast mail goes out: 1,000 mails over one connection to a server of this machine, and over four.
//!
//! Run: cargo bench --bench mail
//!
//! The server is of this process and only takes; what is measured is ours: building, the actor, the session.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::Callboard;
use callboard::mail::{Email, MailerOptions, Mailers, SmtpOptions, WithMail as _};
use futures::executor::block_on;
use futures::future::join_all;

const MAILS: u32 = 1_000;

fn main() {
    let port = sink();
    for connections in [1, 4] {
        let smtp = SmtpOptions { port, connections, mails_per_connection: 100_000, ..SmtpOptions::new("127.0.0.1") };
        let mailers = Mailers::builder()
            .mailer("default", MailerOptions::smtp(smtp).from("shop@example.com"))
            .build()
            .expect("the mailer is in order");
        let mailer = mailers.default().expect("there is one");
        let mail =
            Email::new("Grüße").to("ann@example.com").text("Dear Ann\n".repeat(40)).html("<p>Dear Ann</p>".repeat(40));
        block_on(mailer.send(&mail)).expect("the server takes it");

        let start = Instant::now();
        let sent = block_on(join_all((0..MAILS).map(|_| mailer.send(&mail))));
        told(connections, "sent at once", start.elapsed());
        assert!(sent.iter().all(Result::is_ok));

        let start = Instant::now();
        for _ in 0..MAILS {
            block_on(mailer.send(&mail)).expect("the server takes it");
        }
        told(connections, "one after the other", start.elapsed());

        let board = block_on(Callboard::builder().memory().tasks([]).mail(mailers.clone()).start()).expect("it starts");
        let start = Instant::now();
        let jobs: Vec<_> = (0..MAILS)
            .map(|_| block_on(board.enqueue(mailer.call(&mail).expect("it is a mail"))).expect("it is queued"))
            .collect();
        for job in jobs {
            block_on(job.wait(Duration::from_secs(30))).expect("it ends").return_value().expect("it was sent");
        }
        told(connections, "as tasks, memory", start.elapsed());
        block_on(board.shutdown());
    }
}

fn told(connections: usize, what: &str, took: Duration) {
    let each = took / MAILS;
    println!("{MAILS} mails over {connections} connection(s), {what}: {took:.0?}, {each:.0?} each");
}

/// A server that takes everything.
fn sink() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let listener = Arc::new(listener);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut to = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream);
    to.write_all(b"220 sink\r\n").ok()?;
    let (mut line, mut in_mail) = (String::new(), false);
    loop {
        line.clear();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let answer = match (in_mail, line.as_str()) {
            (true, ".\r\n") => "250 taken\r\n",
            (true, _) => continue,
            (false, "DATA\r\n") => "354 go on\r\n",
            (false, "QUIT\r\n") => "221 bye\r\n",
            (false, _) => "250 OK\r\n",
        };
        in_mail = answer.starts_with("354");
        to.write_all(answer.as_bytes()).ok()?;
    }
}
