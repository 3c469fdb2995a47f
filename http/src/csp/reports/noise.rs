//! Reports that say nothing about the pages of the application: the doing of extensions, virus scanners and
//! translators in the visitor's browser.

use super::strip::Address;

/// Schemes of browser extensions and of the browser itself.
const SCHEMES: [&str; 10] = [
    "about",
    "chrome",
    "chrome-extension",
    "moz-extension",
    "ms-browser-extension",
    "resource",
    "safari-extension",
    "safari-web-extension",
    "webkit-masked-url",
    "webviewprogressproxy",
];

/// Hosts whose code scanners and translators put into every page.
const HOSTS: [&str; 6] = [
    "kaspersky-labs.com",
    "bitdefender.net",
    "translate.google.com",
    "translate.googleapis.com",
    "gateway.zscloud.net",
    "safe.browsing.360.cn",
];

/// Whether what was blocked, or where it happened, is none of the application's doing.
pub(super) fn is_noise(place: &str) -> bool {
    let scheme = place.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if SCHEMES.contains(&scheme.as_str()) {
        return true;
    }
    let Some(address) = Address::read(place) else { return false };
    let host = address.authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    HOSTS.iter().any(|known| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}
