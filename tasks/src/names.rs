//! The one rule for names of tasks, queues, backends and tags.

/// The longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Checks a name against `^[A-Za-z0-9_.:-]{1,128}$`.
///
/// # Errors
///
/// What is wrong with it and which characters are allowed, as the end of a sentence that names the field.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty; give 1 to 128 characters".into());
    }
    if name.len() > MAX_NAME {
        return Err(format!("is {} bytes long; at most {MAX_NAME} are allowed", name.len()));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.:-".contains(*c))) {
        Some(c) => Err(format!("contains {c:?}; use letters, digits, `_`, `.`, `:` and `-`")),
        None => Ok(()),
    }
}
