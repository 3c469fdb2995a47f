//! Writes header lines: ASCII alone, folded, and what they say unchanged for whoever decodes them.

use std::fmt::Write as _;

use email_encoding::headers::writer::EmailWriter;
use email_encoding::headers::{quoted_string, rfc2047};
use lettre::message::header::{HeaderName, HeaderValue, Headers};

use super::address::Address;
use super::check::MAX_WORD;

/// A header of free text; its name must have been checked.
pub(super) fn text(name: &str, value: &str) -> String {
    let header_name = HeaderName::new_from_ascii(name.to_owned()).expect("names are checked before");
    if !must_be_encoded(value) {
        let mut headers = Headers::new();
        headers.insert_raw(HeaderValue::new(header_name, value.to_owned()));
        return headers.to_string();
    }
    written(name, |writer| rfc2047::encode(value, writer))
}

/// Whether a value would be read as something else if it stood there as it is: spaces that folding changes, what looks
/// like an encoded word, and words that no line holds.
fn must_be_encoded(value: &str) -> bool {
    value.contains("=?")
        || value.contains("  ")
        || value.starts_with(' ')
        || value.ends_with(' ')
        || value.split(' ').any(|word| word.len() > MAX_WORD)
}

/// A header whose value programs read: it is written as it is, folded at its spaces.
pub(super) fn raw(name: &str, value: &str) -> String {
    written(name, |writer| writer.folding().write_str(value))
}

/// A header of addresses, which were checked: the names encoded, the domains in ASCII.
pub(super) fn addresses(name: &str, addresses: &[Address]) -> String {
    written(name, |writer| {
        for (n, address) in addresses.iter().enumerate() {
            if n > 0 {
                writer.write_char(',')?;
                writer.space();
            }
            let wire = address.wire().unwrap_or_default();
            if address.name.is_empty() {
                writer.folding().write_str(&wire)?;
                continue;
            }
            quoted_string::encode(&address.name, writer)?;
            writer.space();
            writer.folding().write_str(&format!("<{wire}>"))?;
        }
        Ok(())
    })
}

fn written(name: &str, write: impl FnOnce(&mut EmailWriter<'_>) -> std::fmt::Result) -> String {
    let mut line = format!("{name}: ");
    let length = name.len() + 1;
    line.pop();
    {
        let mut writer = EmailWriter::new(&mut line, length, 1, false);
        write(&mut writer).expect("writing to memory does not fail");
    }
    line.push_str("\r\n");
    line
}
