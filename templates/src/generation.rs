//! All templates as of one moment, compiled; and how minijinja finds the texts of pages and partials.
//!
//! A generation never changes: a page and its partials are always of the same reading of their file. When files
//! change, a new generation takes its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, State, TemplateSource};

use crate::error::{BrokenFile, Error, Place, Problem};
use crate::locate::compile_problem;
use crate::names::{Key, escape_of, letter_of, split_name};
use crate::near::did_you_mean;
use crate::page::{Page, Partial};
use crate::rewrite::{CHOOSE, PARENT};

/// The files by name.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) key: Key,
    pub(crate) files: BTreeMap<String, Page>,
}

/// The templates of one moment.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) env: Environment<'static>,
    pub(crate) pages: Arc<Pages>,
}

impl Generation {
    /// Compiles everything. A file with a problem is left out, and whoever asks for it is told.
    pub(crate) fn new(mut env: Environment<'static>, sources: &BTreeMap<String, Result<Arc<str>, String>>) -> Self {
        let key = Key::new();
        let mut files = BTreeMap::new();
        prepare(&mut env, &key);
        let mentions =
            |source: &Result<Arc<str>, String>| source.as_ref().is_ok_and(|text| text.contains("autoescape"));
        let autoescapes = sources.values().any(mentions);
        for (file, source) in sources {
            let mut page = match source {
                Ok(source) => Page::new(file, source, &key, autoescapes),
                Err(reason) => Page::unreadable(file, reason.clone()),
            };
            if page.problems.is_empty() {
                page.problems = compile(&mut env, file, &page, &key);
            }
            files.insert(file.clone(), page);
        }
        let pages = Arc::new(Pages { key, files });
        let texts = Arc::clone(&pages);
        env.set_loader(move |name| texts.load(name));
        Self { env, pages }
    }

    /// Whatever is wrong with any file, and names that lead nowhere; by file and line.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (file, page) in &self.pages.files {
            problems.extend(page.problems.iter().cloned());
            for (reference, line) in &page.references {
                let Err(reason) = self.pages.refer(file, reference.keyword, &reference.name) else { continue };
                let place = Place {
                    file: file.clone(),
                    line: Some(*line),
                    partial: page.partial_around(*line).map(str::to_owned),
                };
                let (keyword, name) = (reference.keyword, &reference.name);
                problems.push(Problem { place, message: format!("'{keyword}' of {name:?}: {reason}"), code: None });
            }
        }
        problems.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
        problems
    }

    /// The compiled template of this name.
    pub(crate) fn find(&self, name: &str) -> Result<minijinja::Template<'_, '_>, Error> {
        // Internal names have a NUL; no name of a file or a partial does.
        match self.env.get_template(name) {
            Ok(template) if !name.contains('\0') => Ok(template),
            _ => Err(self.pages.missing(name)),
        }
    }
}

impl Pages {
    fn partial(&self, name: &str) -> Option<(&Page, &Partial)> {
        let (file, partial) = split_name(name);
        let page = self.files.get(file)?;
        Some((page, page.partials.get(partial?)?))
    }

    /// The text that was compiled under this name, internal ones included.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some((public, escape)) = self.key.read(name) {
            let text = match split_name(public) {
                (file, None) => &self.files.get(file)?.main,
                (_, Some(_)) => &self.partial(public)?.1.bare,
            };
            // It was written for the mode of its own name; what it calls goes on in this one.
            return Some(match escape == escape_of(public) {
                true => Cow::Borrowed(text),
                false => Cow::Owned(self.key.all_in_mode(text, &escape)),
            });
        }
        let text = match split_name(name) {
            (file, None) => &self.files.get(file)?.main,
            (_, Some(_)) => &self.partial(name)?.1.public,
        };
        Some(Cow::Borrowed(text))
    }

    /// What minijinja asks for a name that it has not compiled: `page.html#`, a called partial or a parent that is
    /// escaped in another way, a broken file.
    fn load(&self, name: &str) -> Result<Option<TemplateSource>, minijinja::Error> {
        let (file, _) = split_name(self.key.read(name).map_or(name, |(public, _)| public));
        if let Some(page) = self.files.get(file).filter(|page| !page.problems.is_empty()) {
            let broken = BrokenFile(page.problems.clone());
            return Err(minijinja::Error::new(ErrorKind::SyntaxError, "the template is broken").with_source(broken));
        }
        Ok(self.text(name).map(TemplateSource::from))
    }

    /// Why there is no usable template of this name.
    fn missing(&self, name: &str) -> Error {
        let (file, partial) = split_name(name);
        if let Some(page) = self.files.get(file).filter(|page| !page.problems.is_empty()) {
            return Error::Broken(page.problems.clone());
        }
        let reason = match self.files.get(file) {
            None if file.is_empty() => "the name of a file is missing".to_owned(),
            None => {
                let files: Vec<&str> = self.files.keys().map(String::as_str).collect();
                format!("there is no file {file:?}{}", did_you_mean(file, &files))
            }
            Some(page) => {
                let names: Vec<&str> = page.partials.keys().map(String::as_str).collect();
                let partial = partial.unwrap_or_default();
                format!("{file} has no partial {partial:?}{}", did_you_mean(partial, &names))
            }
        };
        Error::NotFound { name: name.to_owned(), reason }
    }

    /// Whether this tag of `file` can use a template of this name.
    fn refer(&self, file: &str, keyword: &str, name: &str) -> Result<(), String> {
        if keyword == "extends" && name.contains('#') {
            return Err("only a whole file can be a parent".into());
        }
        if keyword == "extends" && self.is_above(file, name) {
            return Err(format!("{file} would be above itself"));
        }
        let (file, partial) = split_name(name);
        match self.files.get(file) {
            Some(page) if !page.problems.is_empty() || partial.is_none() => Ok(()),
            Some(page) if partial.is_some_and(|partial| page.partials.contains_key(partial)) => Ok(()),
            _ => match self.missing(name) {
                Error::NotFound { reason, .. } => Err(reason),
                other => Err(other.to_string()),
            },
        }
    }

    /// Whether `file` is `child` or above it, by the parents that stand in files as they are.
    fn is_above(&self, file: &str, child: &str) -> bool {
        let (mut seen, mut next) = (Vec::new(), Some(child));
        while let Some(name) = next.filter(|name| !seen.contains(name)) {
            if name == file {
                return true;
            }
            seen.push(name);
            let references = self.files.get(name).map(|page| page.references.iter()).into_iter().flatten();
            next = references.map(|(it, _)| it).find(|it| it.keyword == "extends").map(|it| it.name.as_str());
        }
        false
    }
}

fn prepare(env: &mut Environment<'static>, key: &Key) {
    let escapes = key.clone();
    env.set_auto_escape_callback(move |name| match escapes.read(name) {
        Some((_, escape)) => escape,
        None => escape_of(name),
    });
    env.add_filter(CHOOSE, |state: &mut State<'_, '_>, name: Value| match name.as_str() {
        Some(text) if !text.ends_with(letter_of(state.auto_escape())) => {
            Value::from(Key::in_mode(text, state.auto_escape()))
        }
        _ => name,
    });
    let parents = key.clone();
    env.add_filter(PARENT, move |state: &mut State<'_, '_>, name: Value| match name.as_str() {
        Some(partial) if partial.contains('#') => Err(minijinja::Error::new(
            ErrorKind::TemplateNotFound,
            format!("there is no file {partial:?}: only a whole file can be a parent"),
        )),
        // A child escapes in its own way through all of its parents.
        Some(file) if escape_of(file) != *state.auto_escape() => {
            Ok(Value::from(parents.internal(file, None, state.auto_escape())))
        }
        _ => Ok(name),
    });
}

/// Compiles the texts of a file, or says why that fails; then none of them is kept.
fn compile(env: &mut Environment<'static>, file: &str, page: &Page, key: &Key) -> Vec<Problem> {
    let mut texts = vec![(file.to_owned(), &page.main)];
    for (name, partial) in &page.partials {
        let public = format!("{file}#{name}");
        let bare = key.internal(file, Some(name), &escape_of(&public));
        texts.push((public, &partial.public));
        texts.push((bare, &partial.bare));
    }
    let mut problems: Vec<Problem> = Vec::new();
    for (name, text) in &texts {
        if let Err(error) = env.add_template_owned(name.clone(), (*text).clone()) {
            let problem = compile_problem(&error, name, text, page, key);
            let known = |other: &Problem| other.place.line == problem.place.line && other.message == problem.message;
            if !problems.iter().any(known) {
                problems.push(problem);
            }
        }
    }
    if !problems.is_empty() {
        texts.iter().for_each(|(name, _)| env.remove_template(name));
    }
    problems
}
