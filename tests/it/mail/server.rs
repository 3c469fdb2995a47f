//! An SMTP server in this process that keeps what it is given, and fails as a test tells it to.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::wait_until;

/// What a client did at some moment.
#[derive(Debug, Clone)]
pub struct Moment {
    /// `CONNECT`, `EHLO`, `MAIL`, `RCPT`, `DATA`, `END` (after the dot), …
    pub verb: String,
    /// The whole line.
    pub line: String,
    /// The how-manieth of this verb it is, over all connections, from 1.
    pub nth: usize,
    pub encrypted: bool,
}

/// What the server does then.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says that, and does nothing else.
    Say(&'static str),
    /// Waits, and goes on as usual.
    Wait(Duration),
    /// Closes the connection.
    Close,
    /// Takes the mail, as if all was well, and closes the connection without an answer.
    TakeAndClose,
    /// Sends what is no SMTP.
    Raw(&'static str),
}

type Script = Arc<dyn Fn(&Moment) -> Option<Act> + Send + Sync>;

/// A mail that the server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub source: Vec<u8>,
    pub encrypted: bool,
    pub login: Option<String>,
}

impl Taken {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.source).into_owned()
    }
}

/// A running server; it ends with this.
pub struct Smtp {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Script,
    mails: Mutex<Vec<Taken>>,
    lines: Mutex<Vec<String>>,
    counts: Mutex<HashMap<String, usize>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
    implicit: bool,
}

impl Smtp {
    /// A server on a port of its own that takes everything.
    pub fn start() -> Self {
        Self::with(|_| None)
    }

    /// A server that does as the script says, and takes the rest.
    pub fn with(script: impl Fn(&Moment) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), script, None, false)
    }

    /// A server that offers STARTTLS with this certificate, or speaks TLS from the beginning.
    pub fn encrypted(certificate: &Certificate, implicit: bool) -> Self {
        Self::encrypted_with(certificate, implicit, |_| None)
    }

    pub fn encrypted_with(
        certificate: &Certificate,
        implicit: bool,
        script: impl Fn(&Moment) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::at(listener, script, Some(Arc::clone(&certificate.config)), implicit)
    }

    pub fn at(
        listener: TcpListener,
        script: impl Fn(&Moment) -> Option<Act> + Send + Sync + 'static,
        tls: Option<Arc<ServerConfig>>,
        implicit: bool,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Arc::new(script),
            mails: Mutex::default(),
            lines: Mutex::default(),
            counts: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            tls,
            implicit,
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&serving);
                thread::spawn(move || {
                    let _ = shared.serve(stream);
                });
            }
        });
        Self { address, shared }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mails that were taken.
    pub fn mails(&self) -> Vec<Taken> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// The mails, once there are so many.
    #[track_caller]
    pub fn until_mails(&self, count: usize) -> Vec<Taken> {
        wait_until(&format!("{count} mails have arrived"), || Some(self.mails()).filter(|mails| mails.len() >= count))
    }

    /// All lines that clients sent, the mails themselves left out.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

trait Both: Read + Write {}

impl<S: Read + Write> Both for S {}

/// What a session knows.
#[derive(Default)]
struct Session {
    from: Option<String>,
    to: Vec<String>,
    login: Option<String>,
    encrypted: bool,
}

enum Next {
    Go,
    Encrypt,
    Quit,
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut session = Session::default();
        if self.implicit {
            session.encrypted = true;
            let reader = BufReader::new(self.handshake(stream)?);
            return self.talk(reader, &mut session, true).map(|_| ());
        }
        let mut plain = BufReader::new(stream);
        if self.talk_with(&mut plain, &mut session, true)? {
            session = Session { encrypted: true, ..Session::default() };
            let reader = BufReader::new(self.handshake(plain.into_inner())?);
            self.talk(reader, &mut session, false)?;
        }
        Ok(())
    }

    fn handshake(&self, stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
        let config = self.tls.clone().expect("a server with a certificate");
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }

    fn talk<S: Read + Write>(&self, mut reader: BufReader<S>, session: &mut Session, greet: bool) -> io::Result<bool> {
        self.talk_with(&mut reader, session, greet)
    }

    /// Speaks with a client. Whether it is to be encrypted now.
    fn talk_with<S: Read + Write>(
        &self,
        reader: &mut BufReader<S>,
        session: &mut Session,
        greet: bool,
    ) -> io::Result<bool> {
        if greet && !self.answer(reader.get_mut(), "CONNECT", "", session, "220 mx.test ready")? {
            return Ok(false);
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            assert!(line.ends_with("\r\n"), "a line ends as mail does: {line:?}");
            let line = line.trim_end_matches("\r\n").to_owned();
            self.lines.lock().unwrap().push(line.clone());
            match self.command(reader, session, &line)? {
                Next::Go => {}
                Next::Encrypt => return Ok(true),
                Next::Quit => return Ok(false),
            }
        }
    }

    fn command<S: Read + Write>(
        &self,
        reader: &mut BufReader<S>,
        session: &mut Session,
        line: &str,
    ) -> io::Result<Next> {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let go = |well: bool| Ok(if well { Next::Go } else { Next::Quit });
        let bare = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match verb.as_str() {
            "EHLO" => {
                let starttls = if self.tls.is_some() && !session.encrypted { "250-STARTTLS\r\n" } else { "" };
                let offers =
                    format!("250-mx.test\r\n{starttls}250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000");
                go(self.answer(reader.get_mut(), "EHLO", line, session, &offers)?)
            }
            "STARTTLS" => match self.answer(reader.get_mut(), "STARTTLS", line, session, "220 go on")? {
                true if self.tls.is_some() => Ok(Next::Encrypt),
                _ => Ok(Next::Quit),
            },
            "AUTH" => {
                session.login = Some(line.to_owned());
                go(self.answer(reader.get_mut(), "AUTH", line, session, "235 welcome")?)
            }
            "MAIL" => {
                (session.from, session.to) = (Some(bare()), Vec::new());
                go(self.answer(reader.get_mut(), "MAIL", line, session, "250 2.1.0 OK")?)
            }
            "RCPT" => match self.act("RCPT", line, session) {
                None => {
                    session.to.push(bare());
                    go(say(reader.get_mut(), "250 2.1.5 OK")?)
                }
                Some(act) => go(self.perform(reader.get_mut(), &act, "250 2.1.5 OK", || session.to.push(bare()))?),
            },
            "DATA" => {
                match self.act("DATA", line, session) {
                    None => say(reader.get_mut(), "354 go on")?,
                    Some(act) => return go(self.perform(reader.get_mut(), &act, "354 go on", || {})?),
                };
                let source = read_mail(reader)?;
                let mut take = || {
                    let taken = Taken {
                        from: session.from.take().unwrap_or_default(),
                        to: std::mem::take(&mut session.to),
                        source: source.clone(),
                        encrypted: session.encrypted,
                        login: session.login.clone(),
                    };
                    self.mails.lock().unwrap().push(taken);
                };
                match self.act_at("END", "", session.encrypted) {
                    None => {
                        take();
                        go(say(reader.get_mut(), "250 2.0.0 queued as ABC")?)
                    }
                    Some(Act::TakeAndClose) => {
                        take();
                        Ok(Next::Quit)
                    }
                    Some(act) => go(self.perform(reader.get_mut(), &act, "250 2.0.0 queued", take)?),
                }
            }
            "QUIT" => {
                say(reader.get_mut(), "221 bye")?;
                Ok(Next::Quit)
            }
            "RSET" => {
                (session.from, session.to) = (None, Vec::new());
                go(self.answer(reader.get_mut(), "RSET", line, session, "250 OK")?)
            }
            other => go(self.answer(reader.get_mut(), other, line, session, "250 OK")?),
        }
    }

    fn act(&self, verb: &str, line: &str, session: &Session) -> Option<Act> {
        self.act_at(verb, line, session.encrypted)
    }

    fn act_at(&self, verb: &str, line: &str, encrypted: bool) -> Option<Act> {
        let nth = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(verb.to_owned()).or_default();
            *count += 1;
            *count
        };
        (self.script)(&Moment { verb: verb.to_owned(), line: line.to_owned(), nth, encrypted })
    }

    fn answer(&self, to: &mut impl Write, verb: &str, line: &str, session: &Session, usual: &str) -> io::Result<bool> {
        match self.act(verb, line, session) {
            None => say(to, usual),
            Some(act) => self.perform(to, &act, usual, || {}),
        }
    }

    /// Whether the session goes on.
    fn perform(&self, to: &mut impl Write, act: &Act, usual: &str, mut as_usual: impl FnMut()) -> io::Result<bool> {
        match act {
            Act::Say(text) => say(to, text),
            Act::Wait(pause) => {
                thread::sleep(*pause);
                as_usual();
                say(to, usual)
            }
            Act::Close | Act::TakeAndClose => Ok(false),
            Act::Raw(text) => {
                to.write_all(text.as_bytes())?;
                to.flush()?;
                Ok(true)
            }
        }
    }
}

fn say(to: &mut impl Write, text: &str) -> io::Result<bool> {
    to.write_all(format!("{text}\r\n").as_bytes())?;
    to.flush()?;
    Ok(true)
}

/// The mail up to its dot, with the doubled dots undone.
fn read_mail(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut source = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        assert!(line.ends_with(b"\r\n") && !line[..line.len() - 2].contains(&b'\r'), "only CRLF travels: {line:?}");
        match line.strip_prefix(b".") {
            Some(b"\r\n") => return Ok(source),
            Some(rest) => source.extend_from_slice(rest),
            None => source.extend_from_slice(&line),
        }
    }
}

/// A certificate for 127.0.0.1 and localhost that nobody but its own file vouches for.
pub struct Certificate {
    pub pem: String,
    pub config: Arc<ServerConfig>,
}

impl Certificate {
    pub fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self { pem: made.cert.pem(), config: Arc::new(config) }
    }
}
