//! The rule for names, and the name of a task that gives none.
//!
//! Depends on the standard library alone: the tests of the contract crate include this file and hold it
//! against that crate's own rule.

/// The longest name, in bytes.
const MAX_NAME: usize = 128;

/// Names of types that a marker type of the same name would hide from the rest of its module.
const PRIMITIVES: [&str; 19] = [
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f16", "f32", "f64", "f128",
];

/// Whether it names a primitive type.
pub(crate) fn is_primitive(name: &str) -> bool {
    PRIMITIVES.contains(&name)
}

/// Checks a name against `^[A-Za-z0-9_.:-]{1,128}$`; the error is the end of a sentence.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
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

/// The crate being compiled, as its paths name it; `None` outside of Cargo and what imitates it.
pub(crate) fn crate_name() -> Option<String> {
    let set = |key| std::env::var(key).ok().filter(|value| !value.is_empty());
    set("CARGO_CRATE_NAME").or_else(|| set("CARGO_PKG_NAME").map(|package| package.replace('-', "_")))
}
