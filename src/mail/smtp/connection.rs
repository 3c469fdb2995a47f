//! A connection with a server: bytes out, answers in, each with a deadline. It knows no order of commands.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::error::{FailureClass, SendError, Step};
use super::reply::{Line, MAX_REPLY, Reply};
use super::tls::Connector;

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not used yet.
    buffer: Vec<u8>,
}

impl Connection {
    /// Finds the server and reaches it, at the first of its addresses that answers.
    pub(super) async fn open(host: &str, port: u16, limit: Duration) -> Result<Self, SendError> {
        let name = format!("{host}:{port}");
        let unreachable = |detail: String| SendError::new(FailureClass::Unreachable, Step::Connect, detail);
        let stream = timeout(limit, async {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            TcpStream::connect((bare, port)).await
        });
        let stream = match stream.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(format!("{name} cannot be reached ({error})"))),
            Err(_) => return Err(unreachable(format!("{name} did not answer within {limit:?}"))),
        };
        // Without it the end of a mail waits for the acknowledgement of its body: 44 ms for each mail.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream: Stream::Plain(stream), buffer: Vec::new() })
    }

    /// Encrypts it.
    pub(super) async fn encrypt(self, connector: &Connector, limit: Duration) -> Result<Self, SendError> {
        let Self { stream: Stream::Plain(stream), buffer } = self else { return Ok(self) };
        if !buffer.is_empty() {
            // What came in the open before the handshake could pass for an answer of the server afterwards.
            let detail = "the server, or somebody between, spoke in the open after it had agreed to encrypt";
            return Err(SendError::new(FailureClass::Setup, Step::Tls, detail));
        }
        match timeout(limit, connector.tls.connect(connector.name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(Self { stream: Stream::Tls(Box::new(stream)), buffer }),
            Ok(Err(error)) => {
                // A certificate that is not believed will not be believed in a minute either.
                let class = match error.kind() {
                    io::ErrorKind::InvalidData => FailureClass::Setup,
                    _ => FailureClass::Unreachable,
                };
                Err(SendError::new(class, Step::Tls, format!("no encrypted connection ({error})")))
            }
            Err(_) => {
                let detail = format!("no encrypted connection within {limit:?}");
                Err(SendError::new(FailureClass::Unreachable, Step::Tls, detail))
            }
        }
    }

    /// Sends a line and reads the answer.
    pub(super) async fn command(&mut self, line: &str, step: Step, limit: Duration) -> Result<Reply, SendError> {
        self.send(format!("{line}\r\n").as_bytes(), step, limit).await?;
        self.reply(step, limit).await
    }

    /// Sends bytes; all of them have left us then.
    pub(super) async fn send(&mut self, bytes: &[u8], step: Step, limit: Duration) -> Result<(), SendError> {
        let stream = self.stream.both();
        let sent = timeout(limit, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(step, format!("the connection broke ({error})"))),
            Err(_) => Err(broken(step, format!("the server took nothing for {limit:?}"))),
        }
    }

    /// Reads an answer.
    pub(super) async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply, SendError> {
        match timeout(limit, self.read_reply(step)).await {
            Ok(reply) => reply,
            Err(_) => Err(broken(step, format!("the server did not answer within {limit:?}"))),
        }
    }

    async fn read_reply(&mut self, step: Step) -> Result<Reply, SendError> {
        let (mut code, mut texts, mut size) = (None, Vec::new(), 0);
        loop {
            let line = self.line(step).await?;
            size += line.len();
            let read = Line::read(&line).filter(|line| code.is_none_or(|code| code == line.code));
            let Some(read) = read.filter(|_| size <= MAX_REPLY) else {
                return Err(broken(step, "the server's answer was not SMTP"));
            };
            code = Some(read.code);
            texts.push(read.text.chars().filter(|c| !c.is_control()).collect::<String>());
            if !read.more {
                return Ok(Reply { code: read.code, text: texts.join("\n") });
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self, step: Step) -> Result<String, SendError> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.buffer[looked..].iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=looked + end).collect();
                while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            looked = self.buffer.len();
            if looked > MAX_REPLY {
                return Err(broken(step, "the server's answer has no end"));
            }
            match self.stream.both().read_buf(&mut self.buffer).await {
                Ok(0) => return Err(broken(step, "the server closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(broken(step, format!("the connection broke ({error})"))),
            }
        }
    }
}

/// A connection that broke: before the end of the mail nothing was sent, after it nobody knows.
fn broken(step: Step, detail: impl Into<String>) -> SendError {
    let class = if step == Step::End { FailureClass::Ambiguous } else { FailureClass::Unreachable };
    SendError::new(class, step, detail)
}

trait Both: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Both for S {}

impl Stream {
    fn both(&mut self) -> &mut dyn Both {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.as_mut(),
        }
    }
}
