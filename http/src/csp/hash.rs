//! Hashes of scripts and styles that stand in a page as they are.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Reads hashes with or without their padding, as browsers do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a hash is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The hash of a script or style.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash {
    algorithm: Algorithm,
    base64: String,
}

impl Hash {
    /// The SHA-256 of what stands between the tags, each byte of it.
    #[must_use]
    pub fn sha256_of(text: impl AsRef<[u8]>) -> Self {
        Self { algorithm: Algorithm::Sha256, base64: STANDARD.encode(Sha256::digest(text)) }
    }

    /// The SHA-384 of what stands between the tags.
    #[must_use]
    pub fn sha384_of(text: impl AsRef<[u8]>) -> Self {
        Self { algorithm: Algorithm::Sha384, base64: STANDARD.encode(Sha384::digest(text)) }
    }

    /// The SHA-512 of what stands between the tags.
    #[must_use]
    pub fn sha512_of(text: impl AsRef<[u8]>) -> Self {
        Self { algorithm: Algorithm::Sha512, base64: STANDARD.encode(Sha512::digest(text)) }
    }

    /// Reads `sha256-…`, without its quotes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "is no hash; write \"'sha256-…'\" with the hash in base64 (sha384 and sha512 are known too)";
        let (name, base64) = text.split_once('-').ok_or_else(wrong)?;
        let known = Algorithm::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name));
        let algorithm = known.ok_or_else(wrong)?;
        // The grammar allows the alphabet of addresses as well.
        let hash = LENIENT.decode(base64.replace('-', "+").replace('_', "/")).map_err(|_| wrong())?;
        if hash.len() != algorithm.bytes() {
            let (has, must) = (hash.len(), algorithm.bytes());
            return Err(format!("holds {has} bytes, but a {algorithm} has {must}; copy the whole of it"));
        }
        Ok(Self { algorithm, base64: STANDARD.encode(hash) })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm, self.base64)
    }
}
