//! The directives that browsers know, and what each of them takes.

use super::source::{Source, Unsafe};

macro_rules! directives {
    ($($(#[$doc:meta])* $variant:ident = $name:literal)*) => {
        /// A directive of Content Security Policy, by the name that it has in the header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Directive { $($(#[$doc])* $variant,)* }

        impl Directive {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as in `script-src`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

directives! {
    /// What holds for every kind of resource that has no directive of its own.
    DefaultSrc = "default-src"
    /// Frames and workers that have no directive of their own.
    ChildSrc = "child-src"
    /// Where scripts may connect to.
    ConnectSrc = "connect-src"
    /// Content of fenced frames.
    FencedFrameSrc = "fenced-frame-src"
    /// Fonts.
    FontSrc = "font-src"
    /// Content of frames.
    FrameSrc = "frame-src"
    /// Images.
    ImgSrc = "img-src"
    /// Manifests of applications.
    ManifestSrc = "manifest-src"
    /// Audio, video, and their subtitles.
    MediaSrc = "media-src"
    /// Plug-ins.
    ObjectSrc = "object-src"
    /// Scripts.
    ScriptSrc = "script-src"
    /// Scripts in `<script>` elements.
    ScriptSrcElem = "script-src-elem"
    /// Scripts in attributes such as `onclick`.
    ScriptSrcAttr = "script-src-attr"
    /// Styles.
    StyleSrc = "style-src"
    /// Styles in `<style>` elements and style sheets.
    StyleSrcElem = "style-src-elem"
    /// Styles in `style` attributes.
    StyleSrcAttr = "style-src-attr"
    /// Workers.
    WorkerSrc = "worker-src"
    /// Whether the page may use WebRTC.
    Webrtc = "webrtc"
    /// What `<base>` may say.
    BaseUri = "base-uri"
    /// Takes rights away from the page, as for a frame with the same attribute.
    Sandbox = "sandbox"
    /// Where forms may be sent.
    FormAction = "form-action"
    /// Who may show the page in a frame.
    FrameAncestors = "frame-ancestors"
    /// The name of the endpoint to which reports are sent.
    ReportTo = "report-to"
    /// Where reports are sent by browsers that do not know `report-to`.
    ReportUri = "report-uri"
    /// Loads everything over https.
    UpgradeInsecureRequests = "upgrade-insecure-requests"
    /// Obsolete: browsers do so by themselves.
    BlockAllMixedContent = "block-all-mixed-content"
    /// Refuses plain text where scripts could be made of it.
    RequireTrustedTypesFor = "require-trusted-types-for"
    /// Names the policies that may make trusted values.
    TrustedTypes = "trusted-types"
}

/// What stands after the name of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Sources,
    Nothing,
    Webrtc,
    Sandbox,
    TrustedTypes,
    TrustedTypesFor,
    ReportTo,
    ReportUri,
}

impl Directive {
    /// The directive of that name, in whatever letter case.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|directive| directive.name().eq_ignore_ascii_case(name))
    }

    pub(crate) const fn takes(self) -> Takes {
        match self {
            Self::UpgradeInsecureRequests | Self::BlockAllMixedContent => Takes::Nothing,
            Self::Webrtc => Takes::Webrtc,
            Self::Sandbox => Takes::Sandbox,
            Self::TrustedTypes => Takes::TrustedTypes,
            Self::RequireTrustedTypesFor => Takes::TrustedTypesFor,
            Self::ReportTo => Takes::ReportTo,
            Self::ReportUri => Takes::ReportUri,
            _ => Takes::Sources,
        }
    }

    /// The directives that hold where this one is missing, the nearest first.
    pub(crate) const fn fallback(self) -> &'static [Self] {
        match self {
            Self::ScriptSrcElem | Self::ScriptSrcAttr => &[Self::ScriptSrc, Self::DefaultSrc],
            Self::StyleSrcElem | Self::StyleSrcAttr => &[Self::StyleSrc, Self::DefaultSrc],
            Self::WorkerSrc => &[Self::ChildSrc, Self::ScriptSrc, Self::DefaultSrc],
            Self::FrameSrc => &[Self::ChildSrc, Self::DefaultSrc],
            Self::FencedFrameSrc => &[Self::FrameSrc, Self::ChildSrc, Self::DefaultSrc],
            Self::ChildSrc
            | Self::ConnectSrc
            | Self::FontSrc
            | Self::ImgSrc
            | Self::ManifestSrc
            | Self::MediaSrc
            | Self::ObjectSrc
            | Self::ScriptSrc
            | Self::StyleSrc => &[Self::DefaultSrc],
            _ => &[],
        }
    }

    /// Whether it says something about scripts on the page.
    pub(crate) const fn governs_scripts(self) -> bool {
        matches!(self, Self::DefaultSrc | Self::ScriptSrc | Self::ScriptSrcElem | Self::ScriptSrcAttr)
    }

    const fn governs_styles(self) -> bool {
        matches!(self, Self::DefaultSrc | Self::StyleSrc | Self::StyleSrcElem | Self::StyleSrcAttr)
    }

    /// Whether it stands for single attributes, which carry no nonce.
    const fn governs_attributes(self) -> bool {
        matches!(self, Self::ScriptSrcAttr | Self::StyleSrcAttr)
    }

    /// Where a source belongs that means nothing to this directive; `None` if it means something.
    pub(crate) const fn refuses(self, source: &Source) -> Option<&'static str> {
        let inline = self.governs_scripts() || self.governs_styles();
        let whole_scripts = self.governs_scripts() && !self.governs_attributes();
        let evaluated = matches!(self, Self::DefaultSrc | Self::ScriptSrc);
        let (fits, home) = match source {
            Source::SelfOrigin | Source::Any | Source::Host(_) | Source::Scheme(_) => (true, ""),
            Source::Nonce => {
                (inline && !self.governs_attributes(), "script-src, style-src, their -elem forms and default-src")
            }
            Source::Hash(_) | Source::ReportSample | Source::Dangerous(Unsafe::Inline | Unsafe::Hashes) => {
                (inline, "script-src, style-src, their -elem and -attr forms and default-src")
            }
            Source::StrictDynamic | Source::ReportHashes(_) | Source::InlineSpeculationRules => {
                (whole_scripts, "script-src, script-src-elem and default-src")
            }
            Source::Dangerous(Unsafe::Eval | Unsafe::WasmEval | Unsafe::TrustedTypesEval) => {
                (evaluated, "script-src and default-src")
            }
            Source::Dangerous(Unsafe::WebTransportHashes) => {
                (matches!(self, Self::DefaultSrc | Self::ConnectSrc), "connect-src and default-src")
            }
        };
        if fits { None } else { Some(home) }
    }
}

impl std::fmt::Display for Directive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
