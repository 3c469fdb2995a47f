//! Where the next page of a list starts, as a text that clients pass back and need not understand.

use callboard_tasks::JobId;
use uuid::Uuid;

/// Says how the rest is to be read.
const VERSION: &str = "1";

/// The cursor after this job in the list of this backend.
pub(crate) fn write(backend: &str, after: JobId) -> String {
    format!("{VERSION}{:032x}{:04x}", after.as_u128(), check(backend, after))
}

/// The job behind a cursor; `None` if it was not made here for this backend.
pub(crate) fn read(backend: &str, cursor: &str) -> Option<JobId> {
    let digits = cursor.strip_prefix(VERSION)?;
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() != 36 || !digits.bytes().all(lower_hex) {
        return None;
    }
    let (id, sum) = digits.split_at(32);
    let id = JobId::from_uuid(Uuid::from_u128(u128::from_str_radix(id, 16).ok()?));
    (u16::from_str_radix(sum, 16).ok()? == check(backend, id)).then_some(id)
}

/// Tells a cursor from a text that was mistyped (every step is a bijection, so one changed byte always shows) or
/// meant for another backend.
fn check(backend: &str, id: JobId) -> u16 {
    let bytes = backend.bytes().chain(id.as_u128().to_be_bytes());
    bytes.fold(0x9ce5, |sum: u16, byte| (sum ^ u16::from(byte)).wrapping_mul(0x01b3))
}
