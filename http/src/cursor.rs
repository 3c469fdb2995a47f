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

/// Tells a cursor from a text that was cut, mistyped or meant for another backend.
fn check(backend: &str, id: JobId) -> u16 {
    let bytes = backend.bytes().chain(id.as_u128().to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u16::try_from(hash >> 48).expect("sixteen bits are left")
}
