//! A hash for ids, which are random enough to be their own.

use std::hash::{BuildHasher, Hasher};

/// Hashes by the last eight bytes: in a UUIDv7 they are random, and nobody outside chooses the ids of jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread(u64);

impl BuildHasher for Spread {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            // The odd factor carries the random bits to the top, where a map looks first.
            self.0 = u64::from_be_bytes(*last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
