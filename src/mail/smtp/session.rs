//! A session with a server: let in once, then one mail after the other.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::connection::Connection;
use super::error::{FailureClass, SendError, Step};
use super::options::{Deadlines, SmtpOptions, Tls};
use super::reply::Reply;
use super::tls::Connector;
use crate::mail::built::Message;
use crate::mail::delivery::{Delivery, Refusal};

/// A server that let us in.
pub(in crate::mail) struct Session {
    connection: Connection,
    offers: Offers,
    deadlines: Deadlines,
    /// How many mails it was given.
    pub(in crate::mail) mails: usize,
    /// Since when it has been idle.
    pub(in crate::mail) idle_since: Instant,
}

/// What a server says that it can do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Offers {
    starttls: bool,
    eight_bit: bool,
    plain: bool,
    login: bool,
    /// The largest mail; `None` is not said.
    size: Option<usize>,
}

impl Offers {
    fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.text.lines().skip(1) {
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_whitespace();
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SIZE") => offers.size = words.next().and_then(|size| size.parse().ok()).filter(|size| *size > 0),
                Some("AUTH") => {
                    for mechanism in words {
                        offers.plain |= mechanism == "PLAIN";
                        offers.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

impl Session {
    /// Reaches the server, encrypts the connection and logs in, as the options say. Whatever fails on the way, nothing
    /// half-open is left.
    pub(in crate::mail) async fn open(options: &SmtpOptions, connector: Option<&Connector>) -> Result<Self, SendError> {
        let limits = options.deadlines;
        let mut connection = Connection::open(&options.host, options.port, limits.connect).await?;
        let no_tls = || SendError::new(FailureClass::Setup, Step::Tls, "the mailer has no TLS");
        if options.tls == Tls::Implicit {
            connection = connection.encrypt(connector.ok_or_else(no_tls)?, limits.connect).await?;
        }
        let greeting = connection.reply(Step::Greeting, limits.greeting).await?;
        if greeting.code != 220 {
            return Err(SendError::not_let_in(Step::Greeting, greeting));
        }
        let mut offers = hello(&mut connection, options).await?;
        if options.tls == Tls::StartTls {
            if !offers.starttls {
                let detail = "the server does not offer STARTTLS, without which it gets no mail; mend the server, or say \
                    tls = \"implicit\" or \"none\"";
                return Err(SendError::new(FailureClass::Setup, Step::Tls, detail));
            }
            let reply = connection.command("STARTTLS", Step::Tls, limits.command).await?;
            if reply.code != 220 {
                return Err(SendError::not_let_in(Step::Tls, reply));
            }
            connection = connection.encrypt(connector.ok_or_else(no_tls)?, limits.connect).await?;
            // What was offered in the open does not count.
            offers = hello(&mut connection, options).await?;
        }
        log_in(&mut connection, &offers, options).await?;
        Ok(Self { connection, offers, deadlines: limits, mails: 0, idle_since: Instant::now() })
    }

    /// Gives the server a mail. It goes to all recipients that the server takes, whatever becomes of the others.
    ///
    /// After an error the session may go on if [`is_usable_after`] says so, and [`reset`](Self::reset) succeeds.
    pub(in crate::mail) async fn deliver(&mut self, message: &Message) -> Result<Delivery, SendError> {
        let command = self.deadlines.command;
        let mut mail_from = format!("MAIL FROM:<{}>", message.from);
        let body = wire(message.source.bytes());
        if let Some(most) = self.offers.size {
            if body.len() > most {
                let detail = format!("the mail has {} bytes, and the server takes {most}", body.len());
                return Err(SendError::new(FailureClass::Unfit, Step::Sender, detail));
            }
            mail_from += &format!(" SIZE={}", body.len());
        }
        if message.source.is_8bit() {
            if !self.offers.eight_bit {
                let detail = "the mail has letters beyond ASCII in an attached mail, which the server does not take";
                return Err(SendError::new(FailureClass::Unfit, Step::Sender, detail));
            }
            mail_from += " BODY=8BITMIME";
        }
        self.mails += 1;
        let reply = self.connection.command(&mail_from, Step::Sender, command).await?;
        if !reply.is_positive() {
            return Err(SendError::refused(Step::Sender, reply));
        }
        let mut delivery = Delivery::of(message);
        for address in &message.to {
            let reply = self.connection.command(&format!("RCPT TO:<{address}>"), Step::Recipients, command).await?;
            match reply {
                // The server is closing: what it says about this one it means of all.
                reply if reply.code == 421 => return Err(SendError::refused(Step::Recipients, reply)),
                reply if reply.is_positive() => delivery.accepted.push(address.clone()),
                reply => {
                    let into = if reply.is_temporary() { &mut delivery.deferred } else { &mut delivery.refused };
                    into.push(Refusal { address: address.clone(), reply });
                }
            }
        }
        if delivery.accepted.is_empty() {
            // If only one of them may be taken later, all are tried again: the others will only be refused once more.
            let worst = delivery.deferred.pop().or(delivery.refused.pop());
            let reply =
                worst.map_or_else(|| Reply { code: 554, text: "no recipients".into() }, |refusal| refusal.reply);
            return Err(SendError::refused(Step::Recipients, reply));
        }
        let reply = self.connection.command("DATA", Step::Data, command).await?;
        if reply.code != 354 {
            return Err(SendError::refused(Step::Data, reply));
        }
        let body_limit = self.deadlines.body + std::time::Duration::from_secs((body.len() / (64 * 1024)) as u64);
        self.connection.send(&body, Step::Body, body_limit).await?;
        // From here on the server may have the mail even if we never hear of it.
        self.connection.send(b".\r\n", Step::End, command).await?;
        let reply = self.connection.reply(Step::End, self.deadlines.end).await?;
        if !reply.is_positive() {
            return Err(SendError::refused(Step::End, reply));
        }
        delivery.reply = reply;
        Ok(delivery)
    }

    /// Makes the server forget a mail that it was not given wholly. Whether it did.
    pub(in crate::mail) async fn reset(&mut self) -> bool {
        let reply = self.connection.command("RSET", Step::Sender, self.deadlines.command).await;
        reply.is_ok_and(|reply| reply.is_positive())
    }

    /// Takes leave.
    pub(in crate::mail) async fn quit(mut self) {
        let _ = self.connection.command("QUIT", Step::End, std::time::Duration::from_secs(2)).await;
    }
}

/// Whether the connection is still in order after such an error.
pub(in crate::mail) fn is_usable_after(error: &SendError) -> bool {
    match error.class {
        FailureClass::Unfit => true,
        FailureClass::Temporary | FailureClass::Permanent => {
            error.reply.as_ref().is_some_and(|reply| reply.code != 421) && error.step != Step::Data
        }
        _ => false,
    }
}

async fn hello(connection: &mut Connection, options: &SmtpOptions) -> Result<Offers, SendError> {
    let limit = options.deadlines.command;
    let reply = connection.command(&format!("EHLO {}", options.hello), Step::Hello, limit).await?;
    if reply.is_positive() {
        return Ok(Offers::of(&reply));
    }
    if !matches!(reply.code, 500 | 501 | 502 | 504) {
        return Err(SendError::not_let_in(Step::Hello, reply));
    }
    // A server of before 1995.
    let reply = connection.command(&format!("HELO {}", options.hello), Step::Hello, limit).await?;
    if reply.is_positive() { Ok(Offers::default()) } else { Err(SendError::not_let_in(Step::Hello, reply)) }
}

async fn log_in(connection: &mut Connection, offers: &Offers, options: &SmtpOptions) -> Result<(), SendError> {
    let Some((name, password)) = &options.login else { return Ok(()) };
    let limit = options.deadlines.command;
    let reply = if offers.plain {
        let secret = STANDARD.encode(format!("\0{name}\0{}", password.0));
        connection.command(&format!("AUTH PLAIN {secret}"), Step::Login, limit).await?
    } else if offers.login {
        let mut reply = connection.command("AUTH LOGIN", Step::Login, limit).await?;
        for answer in [name, &password.0] {
            if reply.code == 334 {
                reply = connection.command(&STANDARD.encode(answer), Step::Login, limit).await?;
            }
        }
        reply
    } else {
        let detail = "a name and a password are set, and the server takes neither PLAIN nor LOGIN; is tls right?";
        return Err(SendError::new(FailureClass::Setup, Step::Login, detail));
    };
    if reply.code == 235 { Ok(()) } else { Err(SendError::not_let_in(Step::Login, reply)) }
}

/// A mail as it goes over the wire, without the dot at its end: line ends are those of mail, and a dot at the start of a
/// line is doubled.
fn wire(source: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(source.len() + source.len() / 64 + 2);
    let mut before = b'\n';
    for byte in source {
        match byte {
            b'\n' if before != b'\r' => wire.extend_from_slice(b"\r\n"),
            b'.' if before == b'\n' => wire.extend_from_slice(b".."),
            // A lone carriage return, which some servers take for a line end and others do not.
            byte if before == b'\r' && *byte != b'\n' => {
                wire.push(b'\n');
                if *byte == b'.' {
                    wire.push(b'.');
                }
                wire.push(*byte);
            }
            byte => wire.push(*byte),
        }
        before = *byte;
    }
    if before == b'\r' {
        wire.push(b'\n');
    } else if before != b'\n' {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mails_own_line_ends_go_over_the_wire_and_dots_are_doubled() {
        for (source, expected) in [
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\nb", "a\r\nb\r\n"),
            (".a\r\n..b\n.\r\n", "..a\r\n...b\r\n..\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n"),
            ("a\r", "a\r\n"),
            ("a\r\r\n", "a\r\n\r\n"),
            ("", ""),
            ("x.y\r\n", "x.y\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&wire(source.as_bytes())), expected, "{source:?}");
        }
    }

    #[test]
    fn what_a_server_offers_is_read_whatever_its_letter_case() {
        let reply =
            Reply { code: 250, text: "mx.test greets\nsize 1000\nstarttls\nAUTH=LOGIN\nAUTH PLAIN X\n8BITMIME".into() };
        let expected = Offers { starttls: true, eight_bit: true, plain: true, login: true, size: Some(1000) };
        assert_eq!(Offers::of(&reply), expected);
        assert_eq!(
            Offers::of(&Reply { code: 250, text: "STARTTLS".into() }),
            Offers::default(),
            "the first line is a name"
        );
        assert_eq!(Offers::of(&Reply { code: 250, text: "mx\nSIZE 0".into() }).size, None);
    }
}
