//! The nonce of a response: made when it is first asked for, the same for all who ask, gone with the response.

use std::cell::RefCell;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;

use super::slot::Slot;

/// How many random bytes a nonce has: 128 bits, which nobody guesses.
const BYTES: usize = 16;

/// The nonce of the response to a request, as an argument of its handler.
///
/// It exists once somebody [asks](Self::get) for it; a response whose nonce was never asked for carries none in its
/// header. It is a cheap clone, `Send` and `Sync`, so templates may be rendered on another thread. A handler that
/// also works without the middleware takes an `Option<Nonce>`.
///
/// ```
/// use actix_web::{HttpResponse, error::ErrorInternalServerError};
/// use callboard_http::csp::Nonce;
///
/// async fn page(nonce: Nonce) -> actix_web::Result<HttpResponse> {
///     let attr = nonce.attr().map_err(ErrorInternalServerError)?;
///     Ok(HttpResponse::Ok().content_type("text/html").body(format!("<script{attr}>start()</script>")))
/// }
/// ```
#[derive(Clone)]
pub struct Nonce(Arc<Mutex<State>>);

#[derive(Clone, Copy)]
enum State {
    Unused,
    Used(NonceText),
    /// The header has gone without it.
    Sealed,
}

impl Nonce {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Unused)))
    }

    /// The nonce.
    ///
    /// # Errors
    ///
    /// [`NonceError::Late`] if the header has been written without it, as when a streamed body is the first to ask:
    /// a page must ask for it before it begins to answer.
    pub fn get(&self) -> Result<NonceText, NonceError> {
        let mut state = self.0.lock();
        match *state {
            State::Used(text) => Ok(text),
            State::Sealed => Err(NonceError::Late),
            State::Unused => {
                let text = NonceText::random()?;
                *state = State::Used(text);
                Ok(text)
            }
        }
    }

    /// The attribute ` nonce="…"` with the space before it, to be put into a tag as it is.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn attr(&self) -> Result<String, NonceError> {
        // Its letters need no escape in HTML.
        self.get().map(|text| format!(" nonce=\"{text}\""))
    }

    /// Whether somebody has asked for it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        matches!(*self.0.lock(), State::Used(_))
    }

    /// Ends its making: the header is about to be written.
    pub(crate) fn seal(&self) -> Option<NonceText> {
        let mut state = self.0.lock();
        match *state {
            State::Used(text) => Some(text),
            State::Unused | State::Sealed => {
                *state = State::Sealed;
                None
            }
        }
    }
}

/// The attribute of a nonce that may not be there: without one, or without the middleware, nothing.
///
/// # Errors
///
/// As [`Nonce::get`].
pub fn nonce_attr(nonce: Option<&Nonce>) -> Result<String, NonceError> {
    nonce.map_or_else(|| Ok(String::new()), Nonce::attr)
}

/// Shows its state, and neither makes nor tells it.
impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.0.lock() {
            State::Unused => "Nonce(unused)",
            State::Used(_) => "Nonce(used)",
            State::Sealed => "Nonce(too late)",
        })
    }
}

impl FromRequest for Nonce {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = req.extensions().get::<Slot>().map(|slot| slot.nonce().clone());
        ready(found.ok_or_else(|| {
            ErrorInternalServerError("there is no nonce, because no Csp middleware is wrapped around this application")
        }))
    }
}

/// Random bytes of the system for some nonces to come, because asking for them costs as much as all else that a nonce
/// needs. Each is used once, and is no longer there then.
struct Stock {
    bytes: [[u8; BYTES]; 32],
    left: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [[0; BYTES]; 32], left: 0 }) };
}

impl Stock {
    fn take(&mut self) -> Result<[u8; BYTES], NonceError> {
        if self.left == 0 {
            getrandom::fill(self.bytes.as_flattened_mut()).map_err(|_| NonceError::NoRandomness)?;
            self.left = self.bytes.len();
        }
        self.left -= 1;
        Ok(std::mem::take(&mut self.bytes[self.left]))
    }
}

/// The text of a nonce: 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonceText([u8; Self::LEN]);

impl NonceText {
    pub(crate) const LEN: usize = 22;

    fn random() -> Result<Self, NonceError> {
        let bytes = STOCK.with_borrow_mut(Stock::take)?;
        let mut text = [0; Self::LEN];
        URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).expect("22 characters hold 16 bytes");
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl fmt::Display for NonceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Its text is in every page that has it, but in no log.
impl fmt::Debug for NonceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceText(…)")
    }
}

/// Why there is no nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NonceError {
    /// The header has been written without it.
    #[error("the nonce was asked for after the header was written; ask for it before the answer begins")]
    Late,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}
