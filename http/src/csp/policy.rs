//! A policy: checked when it was built, ready to be sent.

use std::fmt;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;

use super::builder::PolicyBuilder;
use super::compiled::{Template, Unfit};
use super::directive::Directive;
use super::nonce::NonceText;
use super::problem::{PolicyError, PolicyProblem};
use super::source::Sources;

/// The longest header that is sent; servers and proxies begin to refuse them not far above.
const LONGEST: usize = 4 * 1024;

/// A Content Security Policy. There is none that is wrong: [`PolicyBuilder::build`] says what would be, and
/// [`Policy::lint`] what is right but weak.
///
/// ```
/// use callboard_http::csp::{Policy, Source};
///
/// let policy = Policy::strict()
///     .script_src([Source::Nonce, Source::StrictDynamic])
///     .style_src(Source::SelfOrigin)
///     .img_src([Source::SelfOrigin, Source::host("https://images.example.com")?])
///     .report("/csp/reports")
///     .build()?;
/// assert!(policy.lint().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is a cheap clone; shown as text it is its header, with `'nonce'` where the nonce will stand.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    parts: Vec<Part>,
    /// For encrypted connections, where reports may go to a named endpoint.
    secure: Template,
    /// For plain ones, where naming an endpoint would silence all reports.
    plain: Template,
    endpoint: Option<Endpoint>,
}

/// Where reports go that are sent to an endpoint by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) group: String,
    pub(crate) header: HeaderValue,
}

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: Name,
    pub(crate) value: Value,
}

/// The name of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Known(Directive),
    /// One that is newer than this library.
    Other(String),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(directive) => directive.name(),
            Self::Other(name) => name,
        }
    }
}

/// What stands after the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Sources(Sources),
    Words(Vec<String>),
}

impl Policy {
    /// Begins with a policy that allows nothing but forms to the page's own origin; say what is needed beyond:
    ///
    /// `default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`
    pub fn strict() -> PolicyBuilder {
        PolicyBuilder::strict()
    }

    /// Begins with a policy that says nothing.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// What answers say that are no pages: `default-src 'none'; frame-ancestors 'none'`.
    #[must_use]
    pub fn for_data() -> Self {
        let nothing = |directive| Part { name: Name::Known(directive), value: Value::Sources(Sources::NONE) };
        let parts = [Directive::DefaultSrc, Directive::FrameAncestors].map(nothing);
        Self::compile(parts.to_vec()).expect("the policy is well-formed")
    }

    pub(crate) fn compile(parts: Vec<Part>) -> Result<Self, PolicyError> {
        let of_policy = |detail: String| PolicyError { problems: vec![PolicyProblem::new("", detail)] };
        if parts.is_empty() {
            return Err(of_policy("says nothing; give it directives, or leave the policy out".into()));
        }
        let is_named = |part: &&Part| part.name != Name::Known(Directive::ReportTo);
        let unfit = |_: Unfit| of_policy("cannot be sent in a header".into());
        let secure = Template::of(parts.iter()).map_err(unfit)?;
        let plain = Template::of(parts.iter().filter(is_named)).map_err(unfit)?;
        if secure.len() > LONGEST {
            let detail =
                format!("is {} bytes long; servers refuse headers beyond {LONGEST}, so shorten it", secure.len());
            return Err(of_policy(detail));
        }
        let words = |wanted| {
            parts.iter().find_map(|part| match &part.value {
                Value::Words(words) if part.name == Name::Known(wanted) => words.first(),
                _ => None,
            })
        };
        let endpoint = words(Directive::ReportTo).zip(words(Directive::ReportUri)).and_then(|(group, uri)| {
            let header = HeaderValue::try_from(format!("{group}=\"{uri}\"")).ok()?;
            Some(Endpoint { group: group.clone(), header })
        });
        Ok(Self(Arc::new(Inner { parts, secure, plain, endpoint })))
    }

    /// Whether it has a place for the nonce.
    #[must_use]
    pub fn has_nonce(&self) -> bool {
        self.0.plain.has_nonce()
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0.parts
    }

    /// The sources of a directive that is there.
    pub(crate) fn sources(&self, wanted: Directive) -> Option<&Sources> {
        self.0.parts.iter().find_map(|part| match &part.value {
            Value::Sources(sources) if part.name == Name::Known(wanted) => Some(sources),
            _ => None,
        })
    }

    /// The sources that hold for a directive, its own or those of the next that it leaves the word to.
    pub(crate) fn effective(&self, wanted: Directive) -> Option<&Sources> {
        std::iter::once(&wanted).chain(wanted.fallback()).find_map(|directive| self.sources(*directive))
    }

    pub(crate) fn words(&self, wanted: Directive) -> Option<&[String]> {
        self.0.parts.iter().find_map(|part| match &part.value {
            Value::Words(words) if part.name == Name::Known(wanted) => Some(words.as_slice()),
            _ => None,
        })
    }

    /// Where its reports go by name, on encrypted connections.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// Its header. `named`: whether reports may go to an endpoint by its name.
    pub(crate) fn header(&self, nonce: Option<&NonceText>, named: bool) -> Result<HeaderValue, Unfit> {
        if named { self.0.secure.fill(nonce) } else { self.0.plain.fill(nonce) }
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.0.parts == other.0.parts
    }
}

impl Eq for Policy {}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.parts.iter().enumerate() {
            write!(f, "{}{}", if n > 0 { "; " } else { "" }, part.name.as_str())?;
            match &part.value {
                Value::Sources(sources) if sources.as_slice().is_empty() => f.write_str(" 'none'")?,
                Value::Sources(sources) => sources.as_slice().iter().try_for_each(|source| write!(f, " {source}"))?,
                Value::Words(words) => words.iter().try_for_each(|word| write!(f, " {word}"))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({:?})", self.to_string())
    }
}
