//! From an error of minijinja's to the file, the line, the partial, and the way there.

use std::error::Error as _;

use minijinja::ErrorKind;

use crate::error::{BrokenFile, Error, Failure, Limit, Place, Problem};
use crate::generation::Pages;
use crate::names::{Key, split_name};
use crate::page::{Page, short};
use crate::rewrite::PARENT;

/// What is wrong with a text that does not compile.
pub(crate) fn compile_problem(error: &minijinja::Error, name: &str, text: &str, page: &Page, key: &Key) -> Problem {
    let place = place(key, Some(page), error.name().unwrap_or(name), error.line());
    Problem { place, message: message(error, key), code: code(error, text, key) }
}

/// What failed while `name` was rendered.
pub(crate) fn render_error(error: &minijinja::Error, name: &str, pages: &Pages) -> Error {
    let (mut chain, mut broken, mut causes) = (vec![error], None, Vec::new());
    let mut source = error.source();
    while let Some(next) = source {
        match (next.downcast_ref::<minijinja::Error>(), next.downcast_ref::<BrokenFile>()) {
            (Some(inner), _) => chain.push(inner),
            (None, Some(BrokenFile(problems))) => broken = problems.first(),
            (None, None) => causes.push(next.to_string()),
        }
        source = next.source();
    }
    let deepest = chain.last().copied().unwrap_or(error);
    let place_of = |error: &minijinja::Error| {
        let name = error.name()?;
        let (file, _) = split_name(pages.key.read(name).map_or(name, |(public, _)| public));
        Some(place(&pages.key, pages.files.get(file), name, error.line()))
    };
    let mut way: Vec<Place> = chain.iter().rev().filter_map(|error| place_of(error)).collect();
    let problem = match broken {
        Some(problem) => problem.clone(),
        None => {
            let mut message = message(deepest, &pages.key);
            causes.iter().for_each(|cause| message.push_str(&format!(": {cause}")));
            let text = deepest.name().and_then(|name| pages.text(name)).unwrap_or_default();
            // An error that no instruction raised has no place of its own.
            let place = if way.is_empty() { place(&pages.key, None, name, None) } else { way.remove(0) };
            Problem { place, message, code: code(deepest, &text, &pages.key) }
        }
    };
    let limit = match deepest.kind() {
        ErrorKind::OutOfFuel => Some(Limit::Fuel),
        ErrorKind::InvalidOperation if deepest.detail() == Some("recursion limit exceeded") => Some(Limit::Depth),
        _ => None,
    };
    Error::Render(Box::new(Failure { name: name.to_owned(), problem, way, limit }))
}

fn place(key: &Key, page: Option<&Page>, name: &str, line: Option<usize>) -> Place {
    let public = key.read(name).map_or(name, |(public, _)| public);
    let (file, partial) = split_name(public);
    let around = || page.zip(line).and_then(|(page, line)| page.partial_around(line));
    let partial = partial.or_else(around).map(str::to_owned);
    Place { file: file.to_owned(), line, partial }
}

fn message(error: &minijinja::Error, key: &Key) -> String {
    match error.detail() {
        Some(detail) => key.clean(&format!("{}: {detail}", error.kind())),
        None => error.kind().to_string(),
    }
}

/// The piece of the text that the error is about, as its author wrote it.
fn code(error: &minijinja::Error, text: &str, key: &Key) -> Option<String> {
    let piece = text.get(error.range()?)?;
    if key.is_in(piece) || piece.contains(PARENT) { None } else { short(piece) }
}
