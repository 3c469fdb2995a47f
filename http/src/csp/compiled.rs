//! A policy as the bytes of its header, with the places of the nonce left open.
//!
//! The nonce's absence is prepared as well: a response that used none gets a header without any source of it. What
//! the nonce had silenced must stay silent then, so `'unsafe-inline'` beside it goes with it; and a directive that
//! nothing is left of allows nothing, instead of leaving the word to `default-src`.

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;

use super::nonce::NonceText;
use super::policy::{Part, Value};
use super::source::{Source, Unsafe};

/// One header value.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// The value where the nonce is not used.
    without: HeaderValue,
    /// What stands before, between and after the places of the nonce; one piece alone if there are none.
    pieces: Vec<Vec<u8>>,
}

/// A header that cannot be sent as it is.
#[derive(Debug)]
pub(crate) struct Unfit;

impl Template {
    pub(crate) fn of<'a>(parts: impl Iterator<Item = &'a Part> + Clone) -> Result<Self, Unfit> {
        let mut pieces = vec![Vec::new()];
        for part in parts.clone() {
            open(pieces.last_mut().ok_or(Unfit)?, part);
            let Value::Sources(sources) = &part.value else { continue };
            for source in sources.as_slice() {
                let piece = pieces.last_mut().ok_or(Unfit)?;
                if *source == Source::Nonce {
                    piece.extend_from_slice(b" 'nonce-");
                    pieces.push(b"'".to_vec());
                } else {
                    piece.extend_from_slice(format!(" {source}").as_bytes());
                }
            }
            if sources.as_slice().is_empty() {
                pieces.last_mut().ok_or(Unfit)?.extend_from_slice(b" 'none'");
            }
        }
        let mut without = Vec::new();
        for part in parts {
            open(&mut without, part);
            let Value::Sources(sources) = &part.value else { continue };
            let silenced = sources.has(&Source::Nonce);
            let stays =
                |source: &&Source| !(silenced && matches!(source, Source::Nonce | Source::Dangerous(Unsafe::Inline)));
            let mut any = false;
            for source in sources.as_slice().iter().filter(stays) {
                any = true;
                without.extend_from_slice(format!(" {source}").as_bytes());
            }
            if !any {
                without.extend_from_slice(b" 'none'");
            }
        }
        if !pieces.iter().all(|piece| piece.is_ascii()) {
            return Err(Unfit);
        }
        Ok(Self { without: value(without)?, pieces })
    }

    /// Whether the policy has a place for the nonce.
    pub(crate) fn has_nonce(&self) -> bool {
        self.pieces.len() > 1
    }

    /// How long the value is with its nonces.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum::<usize>() + (self.pieces.len() - 1) * NonceText::LEN
    }

    /// The header of a response.
    pub(crate) fn fill(&self, nonce: Option<&NonceText>) -> Result<HeaderValue, Unfit> {
        let Some(nonce) = nonce.filter(|_| self.has_nonce()) else { return Ok(self.without.clone()) };
        let mut filled = Vec::with_capacity(self.len());
        for (n, piece) in self.pieces.iter().enumerate() {
            if n > 0 {
                filled.extend_from_slice(nonce.as_str().as_bytes());
            }
            filled.extend_from_slice(piece);
        }
        value(filled)
    }
}

/// Writes the name of a directive, and what stands after it unless that is a list of sources.
fn open(out: &mut Vec<u8>, part: &Part) {
    if !out.is_empty() {
        out.extend_from_slice(b"; ");
    }
    out.extend_from_slice(part.name.as_str().as_bytes());
    if let Value::Words(words) = &part.value {
        for word in words {
            out.push(b' ');
            out.extend_from_slice(word.as_bytes());
        }
    }
}

/// Checked once more, whatever was checked before: no header is sent that is not ASCII.
fn value(text: Vec<u8>) -> Result<HeaderValue, Unfit> {
    if !text.is_ascii() {
        return Err(Unfit);
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).map_err(|_| Unfit)
}
