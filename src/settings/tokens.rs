//! The file of bearer tokens: `[[token]]` with `id`, `name`, `sha256`, `scopes` and `expires`.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use callboard_http::{Scope, Token};

#[cfg(feature = "cli")]
use super::section::Problems;
use super::section::{Found, Section};
use super::tree::{self, Place};

/// How many characters the id of a token has.
const ID: usize = 8;

/// Reads the tokens; what is wrong with the file is noted in `settings`, which names it as `named`.
pub(super) fn read(settings: &Section<'_>, named: &Found<String>, path: &Path) -> Vec<Token> {
    let name = path.display().to_string();
    let text = match open(path) {
        Ok(text) => text,
        Err(problem) => {
            settings.note(named.problem(format!("names {name}, which {problem}")));
            return Vec::new();
        }
    };
    match tree::read(&name, &text) {
        Ok(table) => all(Section::outermost(table, Place::Whole(name.into()), settings.problems())),
        Err(problems) => {
            problems.into_iter().for_each(|problem| settings.note(problem));
            Vec::new()
        }
    }
}

/// Whether a file of tokens is in order.
#[cfg(feature = "cli")]
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let name = path.display().to_string();
    let text = open(path).map_err(|problem| format!("{name} {problem}"))?;
    let problems = Problems::default();
    match tree::read(&name, &text) {
        Ok(table) => drop(all(Section::outermost(table, Place::Whole(name.as_str().into()), &problems))),
        Err(errors) => problems.borrow_mut().extend(errors),
    }
    match problems.into_inner().first() {
        None => Ok(()),
        Some(problem) => Err(problem.to_string()),
    }
}

/// The text of the file, which nobody but its owner may read.
fn open(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    // The opened file is looked at, not the path: what stands there may be another one by now.
    check_private(&file.metadata().map_err(unreadable)?, path)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(unix)]
fn check_private(file: &Metadata, path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    match file.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(format!("others than its owner may use (its mode is {mode:o}); chmod 600 {}", path.display())),
    }
}

#[cfg(not(unix))]
fn check_private(_: &Metadata, _: &Path) -> Result<(), String> {
    Ok(())
}

fn all(mut top: Section<'_>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut places: HashMap<String, String> = HashMap::new();
    if !top.has("token") {
        top.missing("token", "write a table [[token]] for each token, or name no tokens_file");
    }
    for mut section in top.sections("token") {
        let place = section.place();
        section.must_have(&["id", "name", "sha256", "scopes"]);
        let id = section.read("id", "k3b9x0aq", id);
        if let Some(id) = &id
            && let Some(first) = places.insert(id.value.clone(), place)
        {
            section.note(id.problem(format!("is {:?}, as at {first}; ids are given once", id.value)));
        }
        tokens.extend(token(section, id.map(|id| id.value)));
    }
    top.finish();
    tokens
}

fn token(mut section: Section<'_>, id: Option<String>) -> Option<Token> {
    let name = section.text("name", "the shop's front end").map(|name| name.value);
    let sha256 = section.read("sha256", "9f86d081884c7d65…", digest).map(|digest| digest.value);
    let scopes = scopes(&mut section);
    let expires = section.time("expires").map(|time| time.value);
    section.finish();
    Some(Token { id: id?, name: name?, sha256: sha256?, scopes: scopes?, expires })
}

fn scopes(section: &mut Section<'_>) -> Option<Vec<Scope>> {
    let mut scopes = Vec::new();
    for scope in section.texts("scopes", "[\"tasks:enqueue\", \"tasks:read\"]")? {
        match scope.value.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(problem) => section.note(scope.problem(format!("is wrong: {problem}"))),
        }
    }
    Some(scopes)
}

/// The characters of a token between `tk_` and the next `_`.
fn id(text: &str) -> Result<String, String> {
    let fits = text.len() == ID && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits { Ok(text.into()) } else { Err(format!("is {text:?}; write the {ID} characters after tk_ of the token")) }
}

/// 64 hexadecimal digits.
fn digest(text: &str) -> Result<[u8; 32], String> {
    // What stands here may be a token by mistake, so it is not repeated.
    let wrong = || "is not 64 hexadecimal digits; write the SHA-256 of the whole token, never the token".to_owned();
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 64 { bytes.try_into().map_err(|_| wrong()) } else { Err(wrong()) }
}
