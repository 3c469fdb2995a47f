//! One file of templates: its source, the texts made of it, and what is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Place, Problem};
use crate::lines::Lines;
use crate::names::Key;
use crate::rewrite::Writer;
use crate::scan::Fault;
use crate::split::{Reference, Split};

/// minijinja counts lines in 16 bits, and would report every later one as this.
const MOST_LINES: usize = u16::MAX as usize;

/// One file.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) source: Arc<str>,
    lines: Lines,
    /// The text of the whole file.
    pub(crate) main: String,
    pub(crate) partials: BTreeMap<String, Partial>,
    /// Templates that it names, with the line.
    pub(crate) references: Vec<(Reference, usize)>,
    /// Empty if the file can be used.
    pub(crate) problems: Vec<Problem>,
}

/// One partial of a file.
#[derive(Debug)]
pub(crate) struct Partial {
    /// With its tags.
    pub(crate) span: Range<usize>,
    /// Its first and last line.
    lines: (usize, usize),
    pub(crate) public: String,
    pub(crate) bare: String,
}

impl Page {
    pub(crate) fn new(file: &str, source: &Arc<str>, key: &Key, autoescapes: bool) -> Self {
        let lines = Lines::of(source);
        let mut page = Self {
            source: Arc::clone(source),
            lines,
            main: String::new(),
            partials: BTreeMap::new(),
            references: Vec::new(),
            problems: Vec::new(),
        };
        if page.lines.ends() >= MOST_LINES {
            page.problems = vec![whole_file(file, format!("the file has more than {MOST_LINES} lines: split it"))];
            return page;
        }
        match Split::of(file, source) {
            Ok(split) => page.write(&Writer { file, key, split: &split, autoescapes }),
            Err(faults) => page.problems = faults.into_iter().map(|fault| page.problem(file, fault)).collect(),
        }
        page
    }

    /// A file that could not even be read.
    pub(crate) fn unreadable(file: &str, reason: String) -> Self {
        Self {
            source: Arc::from(""),
            lines: Lines::default(),
            main: String::new(),
            partials: BTreeMap::new(),
            references: Vec::new(),
            problems: vec![whole_file(file, reason)],
        }
    }

    fn write(&mut self, writer: &Writer<'_, '_>) {
        let split = writer.split;
        self.main = writer.main();
        for definition in &split.definitions {
            let (span, lines) = (&definition.span, &self.lines);
            let partial = Partial {
                span: span.clone(),
                lines: (lines.line(span.start), lines.line(span.end)),
                public: writer.public(definition),
                bare: writer.bare(definition),
            };
            self.partials.insert(definition.name.to_owned(), partial);
        }
        let lined = |reference: &Reference| (reference.clone(), self.lines.line(reference.at));
        self.references = split.references.iter().map(lined).collect();
    }

    /// The smallest partial that a line of the file stands in wholly.
    pub(crate) fn partial_around(&self, line: usize) -> Option<&str> {
        let around = self.partials.iter().filter(|(_, partial)| partial.lines.0 < line && line < partial.lines.1);
        around.min_by_key(|(_, partial)| partial.span.len()).map(|(name, _)| name.as_str())
    }

    fn problem(&self, file: &str, fault: Fault) -> Problem {
        let line = self.lines.line(fault.at);
        let place = Place { file: file.to_owned(), line: Some(line), partial: None };
        Problem { place, message: fault.message, code: shortened(&self.source[fault.at..]) }
    }
}

fn whole_file(file: &str, message: String) -> Problem {
    Problem { place: Place { file: file.to_owned(), line: None, partial: None }, message, code: None }
}

/// The tag that a text starts with, or its first line, if there is any; not more than fits into a message.
fn shortened(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default();
    let tag = line.find("%}").map_or(line, |end| &line[..end + 2]);
    short(tag)
}

/// A piece of a template as messages show it.
pub(crate) fn short(code: &str) -> Option<String> {
    const MOST: usize = 60;
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    match code.char_indices().nth(MOST) {
        _ if code.is_empty() => None,
        Some((end, _)) => Some(format!("{}…", &code[..end])),
        None => Some(code),
    }
}
