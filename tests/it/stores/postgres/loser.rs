//! A way to the server on which answers get lost: what was asked is done and committed, and nobody hears of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use callboard::store::postgres::PostgresOptions;
use parking_lot::Mutex;

use super::server::fresh;

/// The way; it ends with the connections that go through it.
pub struct Loser(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// What a request must hold for its answer to be lost, and how many of them.
    marked: Mutex<Option<(Vec<u8>, usize)>>,
    lost: AtomicUsize,
}

impl Loser {
    /// A way to the server of these tests, and a schema of its own behind it. The other end of the options is plain.
    pub fn open(server: &str) -> (Self, PostgresOptions, PostgresOptions) {
        let plain = fresh(server);
        let (before, rest) = plain.url.split_once('@').expect("the URL names a user");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, after) = rest.split_at(end);
        let place = if place.contains(':') { place.to_owned() } else { format!("{place}:5432") };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut lossy = plain.clone();
        // What is encrypted cannot be told apart.
        let also = if after.contains('?') { "&" } else { "?" };
        lossy.url = format!("{before}@{}{after}{also}sslmode=disable", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let way = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&place)) else { return };
                way.join(client, server);
            }
        });
        (Self(shared), lossy, plain)
    }

    /// Loses the next answers to requests that hold this text, and with each its connection.
    pub fn lose(&self, text: &str, times: usize) {
        *self.0.marked.lock() = Some((text.into(), times));
    }

    /// Loses nothing more.
    pub fn heal(&self) {
        *self.0.marked.lock() = None;
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.0.lost.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let marked = Arc::new(AtomicBool::new(false));
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (up, mark) = (Arc::clone(self), Arc::clone(&marked));
        thread::spawn(move || {
            pass(from, to, |chunk| {
                if up.is_marked(chunk) {
                    mark.store(true, Ordering::SeqCst);
                }
                true
            });
        });
        let down = Arc::clone(self);
        thread::spawn(move || {
            pass(server, client, |_| {
                // The server answers once it is done with all of it, the commit too.
                let lost = marked.load(Ordering::SeqCst);
                down.lost.fetch_add(usize::from(lost), Ordering::SeqCst);
                !lost
            });
        });
    }

    fn is_marked(&self, chunk: &[u8]) -> bool {
        let mut marked = self.marked.lock();
        let Some((text, times)) = marked.as_mut().filter(|(_, times)| *times > 0) else { return false };
        let holds = chunk.windows(text.len()).any(|part| part == text.as_slice());
        *times -= usize::from(holds);
        holds
    }
}

/// Hands on what comes, as long as `goes_on` says so; then both ends are closed.
fn pass(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut chunk) {
        if read == 0 || !goes_on(&chunk[..read]) || to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
