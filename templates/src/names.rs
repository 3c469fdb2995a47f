//! Names of templates: what users write, what minijinja is given, and how each is escaped.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use minijinja::{AutoEscape, default_auto_escape_callback};

/// `page.html#row` in its two parts. `page.html#` is the whole file, and the first `#` counts.
pub(crate) fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.split_once('#') {
        Some((file, "")) => (file, None),
        Some((file, partial)) => (file, Some(partial)),
        None => (name, None),
    }
}

/// How the output of a template is escaped that is rendered under this name: by the ending of its file.
///
/// In a `*.email`, `subject`, `text`, `headers` and `*_text` are plain text, and everything else is HTML.
pub(crate) fn escape_of(name: &str) -> AutoEscape {
    let (file, partial) = split_name(name);
    if !file.ends_with(".email") {
        return default_auto_escape_callback(file);
    }
    match partial {
        Some(partial) if matches!(partial, "subject" | "text" | "headers") || partial.ends_with("_text") => {
            AutoEscape::None
        }
        _ => AutoEscape::Html,
    }
}

/// The ways to escape that a called partial can be in, and the last letter of its internal name in each.
const MODES: [(char, AutoEscape); 3] = [('h', AutoEscape::Html), ('n', AutoEscape::None), ('j', AutoEscape::Json)];

/// The last letter of internal names in this mode. There are no other modes: nobody can set up one.
pub(crate) fn letter_of(escape: &AutoEscape) -> char {
    match escape {
        AutoEscape::None => 'n',
        AutoEscape::Json => 'j',
        _ => 'h',
    }
}

/// What makes the names of called partials known to nobody outside: 64 bits by chance, for each set of templates.
///
/// `{% partial row %}` is an include of `page.html#row<NUL><key>h`, which holds the bare body. It must not be loaded
/// from outside, since it lacks what the page has imported.
#[derive(Debug, Clone)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new() -> Self {
        Self(format!("{:016x}", RandomState::new().build_hasher().finish()))
    }

    /// The name under which a partial is called, or a file extended, where is escaped in this way.
    pub(crate) fn internal(&self, file: &str, partial: Option<&str>, escape: &AutoEscape) -> String {
        let (hash, partial) = partial.map_or(("", ""), |partial| ("#", partial));
        format!("{file}{hash}{partial}\0{}{}", self.0, letter_of(escape))
    }

    /// The same internal name in this mode.
    pub(crate) fn in_mode(name: &str, escape: &AutoEscape) -> String {
        let mut name = name.to_owned();
        name.pop();
        name.push(letter_of(escape));
        name
    }

    /// A text with all its internal names in this mode.
    pub(crate) fn all_in_mode(&self, text: &str, escape: &AutoEscape) -> String {
        let own = format!("{}{}", self.0, letter_of(escape));
        MODES.iter().fold(text.to_owned(), |text, (letter, _)| text.replace(&format!("{}{letter}", self.0), &own))
    }

    /// The partial behind an internal name, and how it is escaped; `None` for any other name.
    pub(crate) fn read<'n>(&self, name: &'n str) -> Option<(&'n str, AutoEscape)> {
        let (public, mode) = name.split_once('\0')?;
        let letter = mode.strip_prefix(&self.0)?;
        let (_, escape) = MODES.iter().find(|(known, _)| letter.chars().eq([*known]))?;
        Some((public, escape.clone()))
    }

    /// Whether a text holds an internal name.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }

    /// A message of minijinja with the names that users know.
    pub(crate) fn clean(&self, message: &str) -> String {
        let mut clean = message.to_owned();
        for (letter, _) in MODES {
            for nul in ["\0", "\\0", "\\u{0}"] {
                clean = clean.replace(&format!("{nul}{}{letter}", self.0), "");
            }
        }
        clean
    }
}

/// A name as a string of minijinja's, without a line end in it.
pub(crate) fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
