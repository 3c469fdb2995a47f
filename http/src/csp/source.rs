//! What may stand in a list of sources, and the list.

use std::fmt;
use std::str::FromStr;

use callboard_tasks::near_names;

use super::hash::{Algorithm, Hash};
use super::host::{Host, Scheme, injection};

/// One source: where something may come from, or how else it may prove itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// `'self'`: the origin of the page.
    SelfOrigin,
    /// What carries the nonce of the response; see [`Nonce`](super::Nonce).
    Nonce,
    /// What has that hash.
    Hash(Hash),
    /// `'strict-dynamic'`: scripts that a trusted script loads, and by address no others.
    StrictDynamic,
    /// That host.
    Host(Host),
    /// Anything by that scheme.
    Scheme(Scheme),
    /// `*`: any host.
    Any,
    /// `'report-sample'`: reports show the beginning of what was blocked.
    ReportSample,
    /// `'report-sha256'` and its like: reports tell the hash of each script.
    ReportHashes(Algorithm),
    /// `'inline-speculation-rules'`.
    InlineSpeculationRules,
    /// What takes protection away.
    Dangerous(Unsafe),
}

/// What takes protection away. A search for this name finds every place that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unsafe {
    /// `'unsafe-inline'`: any script or style within the page, also one that was injected.
    Inline,
    /// `'unsafe-eval'`: text may become script.
    Eval,
    /// `'wasm-unsafe-eval'`: bytes may become WebAssembly.
    WasmEval,
    /// `'unsafe-hashes'`: hashes count for attributes as well.
    Hashes,
    /// `'trusted-types-eval'`: trusted values may become script.
    TrustedTypesEval,
    /// `'unsafe-webtransport-hashes'`.
    WebTransportHashes,
}

impl Unsafe {
    const fn keyword(self) -> &'static str {
        match self {
            Self::Inline => "unsafe-inline",
            Self::Eval => "unsafe-eval",
            Self::WasmEval => "wasm-unsafe-eval",
            Self::Hashes => "unsafe-hashes",
            Self::TrustedTypesEval => "trusted-types-eval",
            Self::WebTransportHashes => "unsafe-webtransport-hashes",
        }
    }
}

/// The keywords, which stand in single quotes.
const KEYWORDS: [(&str, Source); 14] = [
    ("self", Source::SelfOrigin),
    ("nonce", Source::Nonce),
    ("strict-dynamic", Source::StrictDynamic),
    ("report-sample", Source::ReportSample),
    ("inline-speculation-rules", Source::InlineSpeculationRules),
    ("report-sha256", Source::ReportHashes(Algorithm::Sha256)),
    ("report-sha384", Source::ReportHashes(Algorithm::Sha384)),
    ("report-sha512", Source::ReportHashes(Algorithm::Sha512)),
    ("unsafe-inline", Source::Dangerous(Unsafe::Inline)),
    ("unsafe-eval", Source::Dangerous(Unsafe::Eval)),
    ("wasm-unsafe-eval", Source::Dangerous(Unsafe::WasmEval)),
    ("unsafe-hashes", Source::Dangerous(Unsafe::Hashes)),
    ("trusted-types-eval", Source::Dangerous(Unsafe::TrustedTypesEval)),
    ("unsafe-webtransport-hashes", Source::Dangerous(Unsafe::WebTransportHashes)),
];

/// How Django writes the place of the nonce.
const SENTINEL: &str = "<CSP_NONCE_SENTINEL>";

const FIXED_NONCE: &str = "is a nonce that never changes, which everybody can read and use; write \"nonce\"";

impl Source {
    /// A host, with or without scheme, port and path: `https://cdn.example.com/js/`, `*.example.com`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if no browser would understand it.
    pub fn host(text: impl Into<String>) -> Result<Self, SourceError> {
        Host::new(text).map(Self::Host)
    }

    /// A scheme: `data:`, `wss:`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it is none.
    pub fn scheme(text: &str) -> Result<Self, SourceError> {
        Scheme::new(text).map(Self::Scheme)
    }

    /// Exactly this script or style, which stands in the page as it is.
    #[must_use]
    pub fn sha256_of(text: impl AsRef<[u8]>) -> Self {
        Self::Hash(Hash::sha256_of(text))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfOrigin => f.write_str("'self'"),
            Self::Nonce => f.write_str("'nonce'"),
            Self::Hash(hash) => write!(f, "'{hash}'"),
            Self::StrictDynamic => f.write_str("'strict-dynamic'"),
            Self::Host(host) => host.fmt(f),
            Self::Scheme(scheme) => scheme.fmt(f),
            Self::Any => f.write_str("*"),
            Self::ReportSample => f.write_str("'report-sample'"),
            Self::ReportHashes(algorithm) => write!(f, "'report-{algorithm}'"),
            Self::InlineSpeculationRules => f.write_str("'inline-speculation-rules'"),
            Self::Dangerous(what) => write!(f, "'{}'", what.keyword()),
        }
    }
}

/// Reads a source as it stands in a header; the place of the nonce is `nonce`, `'nonce'` or Django's placeholder.
impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |detail: String| Err(SourceError::new(text, detail));
        if let Some(problem) = injection(text) {
            return wrong(problem.to_owned());
        }
        if text == "nonce" || text == SENTINEL {
            return Ok(Self::Nonce);
        }
        if text.contains(SENTINEL) {
            return wrong(
                "has the place of the nonce inside a longer text; write \"nonce\" as a value of its own".into(),
            );
        }
        if let Some(word) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return keyword(word).map_err(|detail| SourceError::new(text, detail));
        }
        if text.contains('\'') && !text.contains('/') {
            return wrong("has a quote on one side only; write keywords as in \"'self'\"".into());
        }
        if text == "*" {
            return Ok(Self::Any);
        }
        let bare = text.to_ascii_lowercase();
        if bare.starts_with("nonce-") {
            return wrong(FIXED_NONCE.into());
        }
        let is_hash = ["sha256-", "sha384-", "sha512-"].iter().any(|start| bare.starts_with(start));
        if bare == "none" || is_hash || KEYWORDS.iter().any(|(word, _)| *word == bare) {
            let word = if is_hash { text } else { bare.as_str() };
            return wrong(format!("is a keyword without its quotes; write \"'{word}'\""));
        }
        // With a dot or slash it is a host whose port or path ends so.
        if let Some(name) = text.strip_suffix(':')
            && !name.contains(['.', '/'])
        {
            return Self::scheme(name).map_err(|error| SourceError::new(text, error.detail));
        }
        Self::host(text)
    }
}

fn keyword(word: &str) -> Result<Source, String> {
    if let Some((_, source)) = KEYWORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
        return Ok(source.clone());
    }
    let lower = word.to_ascii_lowercase();
    if lower == "none" {
        return Err("stands beside other values, but means that there are none; remove it or them".into());
    }
    if lower.starts_with("nonce-") {
        return Err(FIXED_NONCE.into());
    }
    if lower.starts_with("sha") {
        return Hash::parse(word).map(Source::Hash);
    }
    let near = near_names(&lower, KEYWORDS.iter().map(|(word, _)| *word).chain(["none"]));
    Err(match near.first() {
        Some(near) => format!("is no keyword; did you mean \"'{near}'\"?"),
        None => "is no keyword; hosts are written without quotes".into(),
    })
}

/// Why a text is no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} {detail}")]
pub struct SourceError {
    /// The text.
    pub value: String,
    /// What is wrong with it, and what to write instead.
    pub detail: String,
}

impl SourceError {
    pub(crate) fn new(value: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { value: value.into(), detail: detail.into() }
    }
}

/// A list of sources. Without any it allows nothing, which is written `'none'`; what is given twice is kept once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Nothing at all: `'none'`.
    pub const NONE: Self = Self(Vec::new());

    /// The list.
    #[must_use]
    pub fn as_slice(&self) -> &[Source] {
        &self.0
    }

    pub(crate) fn has(&self, source: &Source) -> bool {
        self.0.contains(source)
    }

    /// This list and that one.
    pub(crate) fn and(&self, more: &Self) -> Self {
        self.0.iter().chain(&more.0).cloned().collect()
    }
}

impl FromIterator<Source> for Sources {
    fn from_iter<I: IntoIterator<Item = Source>>(sources: I) -> Self {
        let mut list = Vec::new();
        for source in sources {
            if !list.contains(&source) {
                list.push(source);
            }
        }
        Self(list)
    }
}

impl From<Source> for Sources {
    fn from(source: Source) -> Self {
        Self(vec![source])
    }
}

impl<const N: usize> From<[Source; N]> for Sources {
    fn from(sources: [Source; N]) -> Self {
        sources.into_iter().collect()
    }
}

impl From<Vec<Source>> for Sources {
    fn from(sources: Vec<Source>) -> Self {
        sources.into_iter().collect()
    }
}

/// Who may show a page in a frame, or be named by a form or `<base>`: origins alone, no nonce and no keyword but
/// `'self'`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// `'self'`: the origin of the page.
    SelfOrigin,
    /// That host.
    Host(Host),
    /// Anything by that scheme.
    Scheme(Scheme),
    /// `*`: anybody.
    Any,
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::SelfOrigin => Self::SelfOrigin,
            Origin::Host(host) => Self::Host(host),
            Origin::Scheme(scheme) => Self::Scheme(scheme),
            Origin::Any => Self::Any,
        }
    }
}

/// A list of origins. Without any it allows nothing, which is written `'none'`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(pub(crate) Sources);

impl Origins {
    /// Nothing at all: `'none'`.
    pub const NONE: Self = Self(Sources::NONE);
}

impl FromIterator<Origin> for Origins {
    fn from_iter<I: IntoIterator<Item = Origin>>(origins: I) -> Self {
        Self(origins.into_iter().map(Source::from).collect())
    }
}

impl From<Origin> for Origins {
    fn from(origin: Origin) -> Self {
        [origin].into()
    }
}

impl<const N: usize> From<[Origin; N]> for Origins {
    fn from(origins: [Origin; N]) -> Self {
        origins.into_iter().collect()
    }
}

impl From<Vec<Origin>> for Origins {
    fn from(origins: Vec<Origin>) -> Self {
        origins.into_iter().collect()
    }
}
