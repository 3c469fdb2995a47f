//! The id of a request: the caller's own where it is fit for logs, else a new one.

use actix_web::http::header::HeaderValue;
use callboard_tasks::Timestamp;
use uuid::{NoContext, Uuid};

/// 1 to 128 characters of `[A-Za-z0-9_.:-]`.
#[derive(Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a request that came with this header at this time.
    pub(crate) fn of(inbound: Option<&HeaderValue>, now: Timestamp) -> Self {
        match inbound {
            Some(value) if is_fit(value.as_bytes()) => Self(value.clone()),
            _ => Self::new(now),
        }
    }

    fn new(now: Timestamp) -> Self {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let uuid = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos));
        let mut text = Uuid::encode_buffer();
        let text = uuid.hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("a UUID is visible ASCII"))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("checked or made to be visible ASCII")
    }

    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_fit(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(b))
}
