//! What no header, name or address may hold. Checked before anything is queued, so that no mail can be given a header
//! that its author did not write.

/// The longest line that SMTP carries, without its end.
pub(super) const MAX_LINE: usize = 998;

/// The longest stretch without a space that a header may have: it cannot be folded.
pub(super) const MAX_WORD: usize = 900;

/// Header fields that are made from other fields of a mail or by the servers on its way, with what to use instead.
const OWN_FIELDS: [(&str, &str); 14] = [
    ("from", "use the field from"),
    ("to", "use the field to"),
    ("cc", "use the field cc"),
    ("bcc", "use the field bcc"),
    ("reply-to", "use the field reply_to"),
    ("subject", "use the field subject"),
    ("sender", "use the field from"),
    ("return-path", "servers write it"),
    ("received", "servers write it"),
    ("mime-version", "it is written for every mail"),
    ("list-unsubscribe", "use Email::list_unsubscribe"),
    ("list-unsubscribe-post", "use Email::list_unsubscribe"),
    ("authentication-results", "servers write it"),
    ("arc-seal", "servers write it"),
];

/// The first character that may stand in no header: one that controls, or that some program takes for a line end.
pub(super) fn forbidden(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether a text may stand in a header.
///
/// # Errors
///
/// What is wrong with it, after its name.
pub(super) fn line(text: &str) -> Result<(), String> {
    match forbidden(text) {
        None => Ok(()),
        Some(c @ ('\r' | '\n')) => {
            Err(format!("holds a line end ({}), with which a header could be added; remove it", c.escape_default()))
        }
        Some(c) => Err(format!("holds the control character {}; remove it", c.escape_unicode())),
    }
}

/// Whether the text of a part may be sent: all but NUL, which no server takes.
pub(super) fn body(text: &str) -> Result<(), String> {
    if text.contains('\0') { Err("holds a NUL character; remove it".into()) } else { Ok(()) }
}

/// Whether a mail may be given this header by its author.
pub(super) fn header(name: &str, value: &str) -> Result<(), String> {
    let printable = |b: u8| (33..=126).contains(&b) && b != b':';
    if name.is_empty() || name.len() > 76 || !name.bytes().all(printable) {
        return Err(format!(
            "is no name of a header; write up to 76 letters, digits and hyphens, such as \"X-Campaign\", not {name:?}"
        ));
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, instead)) = OWN_FIELDS.iter().find(|(own, _)| *own == lower) {
        return Err(format!("cannot be given as a header: {instead}"));
    }
    if lower.starts_with("content-") || lower.starts_with("dkim-") || lower.starts_with("arc-") {
        return Err("cannot be given as a header: it is made from the mail".into());
    }
    line(value)?;
    if value.split(' ').any(|word| word.len() > MAX_WORD) {
        return Err(format!("has a word of more than {MAX_WORD} bytes, which no line holds; make it shorter"));
    }
    Ok(())
}

/// A Message-ID that somebody gives, or a Content-ID with its brackets: `<left@right>`, without spaces.
pub(super) fn message_id(text: &str) -> Result<(), String> {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let good = inner.is_some_and(|inner| {
        inner.bytes().all(|b| (33..=126).contains(&b) && !b"<>()\",;\\".contains(&b))
            && inner
                .split_once('@')
                .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'))
    });
    if good && text.len() <= 250 {
        Ok(())
    } else {
        Err(format!("is {text:?}; write it as \"<something@example.com>\""))
    }
}
