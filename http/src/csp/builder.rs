//! Builds policies out of typed parts, and finds what would be wrong with them.

use super::directive::{Directive, Takes};
use super::policy::{Name, Part, Policy, Value};
use super::problem::{PolicyError, PolicyProblem};
use super::source::{Origins, Source, Sources};
use super::words::{self, Allow};

/// The name under which reports go to an endpoint.
const GROUP: &str = "csp";

/// Builds a [`Policy`]; each directive is a method. Directives stand in the header in the order in which they were
/// given, those of [`Policy::strict`] first.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct PolicyBuilder {
    parts: Vec<Draft>,
    problems: Vec<PolicyProblem>,
}

#[derive(Debug, Clone)]
struct Draft {
    part: Part,
    /// Whether it came with the beginning, so that whoever builds may say otherwise once.
    preset: bool,
}

macro_rules! sources {
    ($($method:ident: $directive:ident, $name:literal;)*) => {
        impl PolicyBuilder {$(
            #[doc = concat!("`", $name, "`; an empty list is `'none'`.")]
            pub fn $method(self, sources: impl Into<Sources>) -> Self {
                self.with(Directive::$directive, Value::Sources(sources.into()))
            }
        )*}
    };
}

sources! {
    default_src: DefaultSrc, "default-src";
    child_src: ChildSrc, "child-src";
    connect_src: ConnectSrc, "connect-src";
    fenced_frame_src: FencedFrameSrc, "fenced-frame-src";
    font_src: FontSrc, "font-src";
    frame_src: FrameSrc, "frame-src";
    img_src: ImgSrc, "img-src";
    manifest_src: ManifestSrc, "manifest-src";
    media_src: MediaSrc, "media-src";
    object_src: ObjectSrc, "object-src";
    script_src: ScriptSrc, "script-src";
    script_src_elem: ScriptSrcElem, "script-src-elem";
    script_src_attr: ScriptSrcAttr, "script-src-attr";
    style_src: StyleSrc, "style-src";
    style_src_elem: StyleSrcElem, "style-src-elem";
    style_src_attr: StyleSrcAttr, "style-src-attr";
    worker_src: WorkerSrc, "worker-src";
}

impl PolicyBuilder {
    pub(crate) fn strict() -> Self {
        let origin = Origins::from(super::source::Origin::SelfOrigin);
        let mut builder = Self::default()
            .default_src(Sources::NONE)
            .object_src(Sources::NONE)
            .base_uri(Origins::NONE)
            .form_action(origin)
            .frame_ancestors(Origins::NONE);
        builder.parts.iter_mut().for_each(|draft| draft.preset = true);
        builder
    }

    /// `base-uri`: what `<base>` may say; an empty list is `'none'`.
    pub fn base_uri(self, origins: impl Into<Origins>) -> Self {
        self.with(Directive::BaseUri, Value::Sources(origins.into().0))
    }

    /// `form-action`: where forms may be sent; an empty list is `'none'`.
    pub fn form_action(self, origins: impl Into<Origins>) -> Self {
        self.with(Directive::FormAction, Value::Sources(origins.into().0))
    }

    /// `frame-ancestors`: who may show the page in a frame; an empty list is `'none'`.
    pub fn frame_ancestors(self, origins: impl Into<Origins>) -> Self {
        self.with(Directive::FrameAncestors, Value::Sources(origins.into().0))
    }

    /// `sandbox`: takes every right from the page but these.
    pub fn sandbox(self, allow: impl IntoIterator<Item = Allow>) -> Self {
        let words: std::collections::BTreeSet<_> = allow.into_iter().collect();
        self.with(Directive::Sandbox, Value::Words(words.into_iter().map(|word| word.name().to_owned()).collect()))
    }

    /// `webrtc 'block'`: no connections by WebRTC.
    pub fn block_webrtc(self) -> Self {
        self.with(Directive::Webrtc, Value::Words(vec!["'block'".into()]))
    }

    /// `webrtc 'allow'`, which is how it is without.
    pub fn allow_webrtc(self) -> Self {
        self.with(Directive::Webrtc, Value::Words(vec!["'allow'".into()]))
    }

    /// `upgrade-insecure-requests`: loads over https what the page asks for over http.
    pub fn upgrade_insecure_requests(self) -> Self {
        self.with(Directive::UpgradeInsecureRequests, Value::Words(Vec::new()))
    }

    /// `require-trusted-types-for 'script'`: refuses plain text where scripts could be made of it.
    pub fn require_trusted_types(self) -> Self {
        self.with(Directive::RequireTrustedTypesFor, Value::Words(vec!["'script'".into()]))
    }

    /// `trusted-types`: the names of the policies that may make trusted values; without any, `'none'`.
    pub fn trusted_types<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            names.push("'none'".into());
        }
        self.with(Directive::TrustedTypes, Value::Words(names))
    }

    /// Sends reports there, a path of this server or an address: by `report-uri`, and on encrypted connections also
    /// by `report-to` with the header that it needs.
    ///
    /// On plain connections browsers send nothing to a named endpoint, and one that is named keeps them from using
    /// `report-uri`; so there it is left out.
    pub fn report(self, uri: impl Into<String>) -> Self {
        self.report_as(GROUP, uri)
    }

    /// As [`report`](Self::report), to an endpoint of that name.
    pub fn report_as(self, endpoint: impl Into<String>, uri: impl Into<String>) -> Self {
        self.with(Directive::ReportUri, Value::Words(vec![uri.into()]))
            .with(Directive::ReportTo, Value::Words(vec![endpoint.into()]))
    }

    /// A directive that this library does not know yet. Those that it knows have methods.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        if Directive::of_name(&name).is_some() {
            self.problems.push(PolicyProblem::new(name, "is known; use its own method"));
            return self;
        }
        if let Err(detail) = words::check_extension(&name, &value) {
            self.problems.push(PolicyProblem::of_value(name, value, detail));
            return self;
        }
        let words = value.split_ascii_whitespace().map(str::to_owned).collect();
        self.put(Name::Other(name), Value::Words(words))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.problems.is_empty()
    }

    pub(crate) fn part(self, part: Part) -> Self {
        self.put(part.name, part.value)
    }

    pub(crate) fn with(self, directive: Directive, value: Value) -> Self {
        self.put(Name::Known(directive), value)
    }

    fn put(mut self, name: Name, value: Value) -> Self {
        match self.parts.iter_mut().find(|draft| draft.part.name == name) {
            Some(draft) if draft.preset => *draft = Draft { part: Part { name, value }, preset: false },
            Some(_) => {
                let detail = "is given twice, and browsers heed the first one alone; give all its values at once";
                self.problems.push(PolicyProblem::new(name.as_str(), detail));
            }
            None => self.parts.push(Draft { part: Part { name, value }, preset: false }),
        }
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with everything that is wrong.
    pub fn build(self) -> Result<Policy, PolicyError> {
        let Self { parts, mut problems } = self;
        let parts: Vec<Part> = parts.into_iter().map(|draft| draft.part).collect();
        for part in &parts {
            check(part, &mut problems);
        }
        let has = |directive| parts.iter().any(|part| part.name == Name::Known(directive));
        if has(Directive::ReportTo) && !has(Directive::ReportUri) {
            let detail = "names an endpoint without an address; give report-uri as well: the endpoint is made of it, \
                          and browsers that do not know report-to use it";
            problems.push(PolicyProblem::new("report-to", detail));
        }
        if problems.is_empty() { Policy::compile(parts) } else { Err(PolicyError { problems }) }
    }
}

/// Notes what one directive has that means nothing there, or is no value of it.
fn check(part: &Part, problems: &mut Vec<PolicyProblem>) {
    let Name::Known(directive) = part.name else { return };
    let name = directive.name();
    match &part.value {
        Value::Sources(sources) => {
            for source in sources.as_slice() {
                if let Some(home) = refusal(directive, source) {
                    problems.push(PolicyProblem::of_value(name, source.to_string(), home));
                }
            }
        }
        Value::Words(words) => {
            for word in words {
                let checked = match directive.takes() {
                    Takes::TrustedTypes if ["'none'", "'allow-duplicates'", "*"].contains(&word.as_str()) => Ok(()),
                    Takes::TrustedTypes => words::check_trusted_type(word),
                    Takes::ReportTo => words::check_group(word),
                    Takes::ReportUri => words::check_report_uri(word),
                    _ => Ok(()),
                };
                if let Err(detail) = checked {
                    problems.push(PolicyProblem::of_value(name, word, detail));
                }
            }
            if directive == Directive::TrustedTypes && words.len() > 1 && words.iter().any(|word| word == "'none'") {
                let detail = "stands beside other values, but means that there are none; remove it or them";
                problems.push(PolicyProblem::of_value(name, "'none'", detail));
            }
        }
    }
}

fn refusal(directive: Directive, source: &Source) -> Option<String> {
    let home = directive.refuses(source)?;
    Some(format!("means nothing to {directive}; it belongs to {home}, so remove it here"))
}
