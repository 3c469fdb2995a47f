//! Values of directives that are no lists of sources: what is allowed in them.

use super::host::injection;

/// What a page in a sandbox may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Allow {
    /// `allow-downloads`
    Downloads,
    /// `allow-forms`
    Forms,
    /// `allow-modals`
    Modals,
    /// `allow-orientation-lock`
    OrientationLock,
    /// `allow-pointer-lock`
    PointerLock,
    /// `allow-popups`
    Popups,
    /// `allow-popups-to-escape-sandbox`
    PopupsToEscapeSandbox,
    /// `allow-presentation`
    Presentation,
    /// `allow-same-origin`
    SameOrigin,
    /// `allow-scripts`
    Scripts,
    /// `allow-storage-access-by-user-activation`
    StorageAccessByUserActivation,
    /// `allow-top-navigation`
    TopNavigation,
    /// `allow-top-navigation-by-user-activation`
    TopNavigationByUserActivation,
    /// `allow-top-navigation-to-custom-protocols`
    TopNavigationToCustomProtocols,
}

impl Allow {
    const ALL: [Self; 14] = [
        Self::Downloads,
        Self::Forms,
        Self::Modals,
        Self::OrientationLock,
        Self::PointerLock,
        Self::Popups,
        Self::PopupsToEscapeSandbox,
        Self::Presentation,
        Self::SameOrigin,
        Self::Scripts,
        Self::StorageAccessByUserActivation,
        Self::TopNavigation,
        Self::TopNavigationByUserActivation,
        Self::TopNavigationToCustomProtocols,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Downloads => "allow-downloads",
            Self::Forms => "allow-forms",
            Self::Modals => "allow-modals",
            Self::OrientationLock => "allow-orientation-lock",
            Self::PointerLock => "allow-pointer-lock",
            Self::Popups => "allow-popups",
            Self::PopupsToEscapeSandbox => "allow-popups-to-escape-sandbox",
            Self::Presentation => "allow-presentation",
            Self::SameOrigin => "allow-same-origin",
            Self::Scripts => "allow-scripts",
            Self::StorageAccessByUserActivation => "allow-storage-access-by-user-activation",
            Self::TopNavigation => "allow-top-navigation",
            Self::TopNavigationByUserActivation => "allow-top-navigation-by-user-activation",
            Self::TopNavigationToCustomProtocols => "allow-top-navigation-to-custom-protocols",
        }
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name)
    }
}

/// The name of a policy of Trusted Types.
pub(crate) fn check_trusted_type(name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-#=_/@.%".contains(&b);
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(());
    }
    Err("is no name of a policy; write letters, digits and - # = _ / @ . %".into())
}

/// The name of an endpoint, which is a key in the header Reporting-Endpoints.
pub(crate) fn check_group(name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err("is no name of an endpoint; write small letters and digits, as in \"csp\"".into())
}

/// Where reports go: a path of this server, or an address.
pub(crate) fn check_report_uri(uri: &str) -> Result<(), String> {
    if let Some(problem) = injection(uri) {
        return Err(problem.into());
    }
    if uri.contains(['"', '\\', ' ', '<', '>', '#']) {
        return Err("contains a character that no address has; write it as %XX".into());
    }
    let is_path = uri.starts_with('/') && !uri.starts_with("//");
    let is_address = ["https://", "http://"].iter().any(|scheme| uri.len() > scheme.len() && uri.starts_with(scheme));
    if is_path || is_address {
        return Ok(());
    }
    Err("is no address; write a path as in \"/csp/reports\", or \"https://reports.example.com/csp\"".into())
}

/// A directive that is newer than this library.
pub(crate) fn check_extension(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("is no name of a directive; write small letters, digits and dashes".into());
    }
    injection(value).map_or(Ok(()), |problem| Err(format!("has a value that {problem}")))
}
