//! What is right in a policy but weak: warnings, each with the fix.

use std::fmt;

use super::directive::Directive;
use super::policy::{Name, Policy};
use super::source::{Source, Sources, Unsafe};

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LintKind {
    /// Neither `script-src` nor `default-src` is there: scripts come from anywhere.
    ScriptsUnrestricted,
    /// Plug-ins come from anywhere.
    NoObjectSrc,
    /// An injected `<base>` sends the page's relative addresses elsewhere.
    NoBaseUri,
    /// Anybody may show the page in a frame.
    NoFrameAncestors,
    /// A source that stands for everybody.
    Wildcard,
    /// `'unsafe-inline'` that a nonce, hash or `'strict-dynamic'` makes browsers ignore.
    UnsafeInlineIgnored,
    /// `'unsafe-inline'` that holds.
    UnsafeInline,
    /// Text may become script.
    UnsafeEval,
    /// `'unsafe-hashes'` without a hash.
    UnsafeHashesAlone,
    /// `'strict-dynamic'` without a script that is trusted.
    StrictDynamicAlone,
    /// An address that browsers never match.
    IpAddress,
    /// What comes unencrypted can be changed on its way.
    PlainHttp,
    /// A sandbox that a script of the page can leave.
    SandboxLeft,
    /// A directive that browsers have forgotten.
    Obsolete,
    /// A policy that only reports, and says nobody where to.
    NobodyListens,
    /// A directive that does nothing in a policy that only reports.
    NotInReportOnly,
    /// Two policies give one name of an endpoint different addresses.
    EndpointClash,
}

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// What it is about.
    pub kind: LintKind,
    /// The directive that is meant, also where it is missing.
    pub directive: Directive,
    /// What is weak, and what to write instead.
    pub detail: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.directive, self.detail)
    }
}

fn lint(kind: LintKind, directive: Directive, detail: impl Into<String>) -> Lint {
    Lint { kind, directive, detail: detail.into() }
}

impl Policy {
    /// What is weak in it; nothing, one hopes.
    #[must_use]
    pub fn lint(&self) -> Vec<Lint> {
        let mut lints = self.lint_missing();
        for part in self.parts() {
            let Name::Known(directive) = part.name else { continue };
            if let Some(sources) = self.sources(directive) {
                lint_sources(directive, sources, &mut lints);
            }
        }
        if let Some(allowed) = self.words(Directive::Sandbox)
            && ["allow-scripts", "allow-same-origin"].iter().all(|flag| allowed.iter().any(|word| word == flag))
        {
            let detail = "allows scripts and the same origin, and a script can then remove it; give up one of them";
            lints.push(lint(LintKind::SandboxLeft, Directive::Sandbox, detail));
        }
        if self.words(Directive::BlockAllMixedContent).is_some() {
            let detail = "is obsolete: browsers do so by themselves; remove it";
            lints.push(lint(LintKind::Obsolete, Directive::BlockAllMixedContent, detail));
        }
        lints
    }

    /// What is weak in it as a policy that only reports.
    pub(crate) fn lint_report_only(&self) -> Vec<Lint> {
        let mut lints = Vec::new();
        if self.words(Directive::ReportUri).is_none() {
            let detail = "is missing, so nobody hears what the policy would block; send reports to \"/csp/reports\"";
            lints.push(lint(LintKind::NobodyListens, Directive::ReportUri, detail));
        }
        for idle in [Directive::Sandbox, Directive::UpgradeInsecureRequests] {
            if self.words(idle).is_some() {
                let detail = "does nothing in a policy that only reports; put it into the enforced one";
                lints.push(lint(LintKind::NotInReportOnly, idle, detail));
            }
        }
        lints
    }

    fn lint_missing(&self) -> Vec<Lint> {
        let mut lints = Vec::new();
        let scripts = self.effective(Directive::ScriptSrc);
        let elements = self.effective(Directive::ScriptSrcElem).is_some();
        let attributes = self.effective(Directive::ScriptSrcAttr).is_some();
        if scripts.is_none() && !(elements && attributes) {
            let detail = "is missing, so scripts may come from anywhere; write [\"'self'\"], or [\"nonce\"]";
            lints.push(lint(LintKind::ScriptsUnrestricted, Directive::ScriptSrc, detail));
        }
        let plugins = self.effective(Directive::ObjectSrc);
        if plugins.is_none() {
            let detail = "is missing, so plug-ins may come from anywhere; write [\"'none'\"]";
            lints.push(lint(LintKind::NoObjectSrc, Directive::ObjectSrc, detail));
        }
        if self.sources(Directive::BaseUri).is_none() {
            let detail = "is missing, and default-src does not hold for it: an injected <base> redirects every \
                          relative address; write [\"'none'\"]";
            lints.push(lint(LintKind::NoBaseUri, Directive::BaseUri, detail));
        }
        if self.sources(Directive::FrameAncestors).is_none() {
            let detail = "is missing, and default-src does not hold for it: any site may show the page in a frame; \
                          write [\"'none'\"]";
            lints.push(lint(LintKind::NoFrameAncestors, Directive::FrameAncestors, detail));
        }
        lints
    }
}

fn lint_sources(directive: Directive, sources: &Sources, lints: &mut Vec<Lint>) {
    let mut warn = |kind, detail: String| lints.push(lint(kind, directive, detail));
    let list = sources.as_slice();
    let has_hash = list.iter().any(|source| matches!(source, Source::Hash(_)));
    let dynamic = sources.has(&Source::StrictDynamic);
    let proven = sources.has(&Source::Nonce) || has_hash;
    let active = directive.governs_scripts() || directive == Directive::ObjectSrc;
    for source in list {
        match source {
            // Trust goes on from script to script there, and addresses are for old browsers alone.
            Source::Any | Source::Scheme(_) | Source::Host(_) if dynamic => {}
            Source::Any => warn(LintKind::Wildcard, "allows every host by *; name those that are needed".into()),
            Source::Scheme(scheme) if active || ["http:", "https:", "ws:", "wss:"].contains(&scheme.as_str()) => {
                let what = format!("allows everybody by {scheme}; name the hosts that are needed");
                warn(LintKind::Wildcard, what);
            }
            Source::Host(host) if host.is_dead_address() => {
                warn(LintKind::IpAddress, format!("has {host}, but of addresses browsers match 127.0.0.1 alone; name a host"));
            }
            Source::Host(host) if host.is_plain() => {
                warn(LintKind::PlainHttp, format!("has {host}, which can be changed on its way; write https"));
            }
            Source::Dangerous(Unsafe::Inline) if proven || (dynamic && directive.governs_scripts()) => warn(
                LintKind::UnsafeInlineIgnored,
                "has 'unsafe-inline', which browsers ignore beside a nonce, a hash or 'strict-dynamic'; remove it".into(),
            ),
            Source::Dangerous(Unsafe::Inline) => warn(
                LintKind::UnsafeInline,
                "has 'unsafe-inline', which lets injected code run; give what stands in pages a nonce or a hash".into(),
            ),
            Source::Dangerous(Unsafe::Eval) => warn(
                LintKind::UnsafeEval,
                "has 'unsafe-eval', which lets text become script; remove it, or write 'wasm-unsafe-eval' if it is for \
                 WebAssembly"
                    .into(),
            ),
            Source::Dangerous(Unsafe::Hashes) if !has_hash => {
                warn(LintKind::UnsafeHashesAlone, "has 'unsafe-hashes' but no hash; add the hash, or remove it".into());
            }
            _ => {}
        }
    }
    if dynamic && !proven {
        let detail = "has 'strict-dynamic' but neither a nonce nor a hash, so no script may run; add \"nonce\"";
        warn(LintKind::StrictDynamicAlone, detail.into());
    }
}
