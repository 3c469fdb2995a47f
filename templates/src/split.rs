//! What stands where in a source: its partials, who uses them, what they need of the rest of the file.
//!
//! Everything that partials must not do is refused here, with the byte at which it stands; what is wrong otherwise
//! minijinja says when it compiles the texts that [`rewrite`](crate::rewrite) makes.

use std::ops::Range;

use crate::near::did_you_mean;
use crate::scan::{Fault, Tag, scan};
use crate::walk::Walk;

/// What a tag is to partials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing; it stays as it is.
    Plain,
    /// Opens the definition of this index.
    Opens(usize),
    /// Closes the definition of this index.
    Closes(usize),
    /// Calls the partial that its arguments name.
    Calls(Around),
    /// Names the parent of the file.
    Extends,
    /// Opens or closes a `verbatim`.
    Verbatim,
}

/// What stands around a call that can change how is escaped there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// Nothing: as in the whole text.
    Nothing,
    /// A block, which a parent may have put into an `autoescape`.
    Block,
    Autoescape,
}

/// One `{% partialdef %}`.
#[derive(Debug)]
pub(crate) struct Definition<'s> {
    pub(crate) name: &'s str,
    pub(crate) inline: bool,
    /// From the first byte of its opening tag to the last of its end tag.
    pub(crate) span: Range<usize>,
    /// Without the two tags.
    pub(crate) body: Range<usize>,
    /// The whitespace mark at the end of the opening tag, and at the start of the end tag.
    pub(crate) marks: (&'s str, &'s str),
    /// Imports and macros that it sees, which stand before it.
    pub(crate) hoists: Vec<Range<usize>>,
    /// A `{% block %}` in its body.
    pub(crate) block: Option<&'s str>,
}

/// A name of another template that stands in a tag as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) keyword: &'static str,
}

/// A source whose partials are found and well-formed.
#[derive(Debug)]
pub(crate) struct Split<'s> {
    pub(crate) source: &'s str,
    pub(crate) tags: Vec<Tag<'s>>,
    /// One for each tag.
    pub(crate) roles: Vec<Role>,
    /// In the order of their opening tags.
    pub(crate) definitions: Vec<Definition<'s>>,
    pub(crate) references: Vec<Reference>,
}

impl<'s> Split<'s> {
    /// Splits `source`, the text of `file`.
    ///
    /// Faults of nesting end the search, since all that follows would be judged wrongly; the others are all told.
    pub(crate) fn of(file: &str, source: &'s str) -> Result<Self, Vec<Fault>> {
        let found = scan(source).map_err(|fault| vec![fault])?;
        let mut walk = Walk::new(file, source);
        walk.run(&found).map_err(|fault| vec![fault])?;
        let Walk { roles, definitions, references, .. } = walk;
        let split = Self { source, tags: found.tags, roles, definitions, references };
        let faults = split.calls_in_vain(file);
        if faults.is_empty() { Ok(split) } else { Err(faults) }
    }

    /// The names that are called within this range, with where.
    pub(crate) fn calls(&self, within: &Range<usize>) -> impl Iterator<Item = (usize, &'s str)> {
        let tags = self.tags.iter().zip(&self.roles).filter(|(_, role)| matches!(role, Role::Calls(_)));
        tags.filter(|(tag, _)| within.start <= tag.span.start && tag.span.end <= within.end)
            .map(|(tag, _)| (tag.span.start, &self.source[tag.args.clone()]))
    }

    pub(crate) fn definition(&self, name: &str) -> Option<&Definition<'s>> {
        self.definitions.iter().find(|definition| definition.name == name)
    }

    /// What must be live before `definition` is rendered alone: the imports and macros that it sees, and those
    /// which partials see that it calls, as far as they stand before it. In order.
    pub(crate) fn prelude(&self, definition: &Definition<'s>) -> Vec<Range<usize>> {
        let (mut reached, mut next) = (vec![definition.name], 0);
        let mut hoists = definition.hoists.clone();
        while let Some(called) = reached.get(next).and_then(|name| self.definition(name)) {
            for (_, name) in self.calls(&called.body) {
                if !reached.contains(&name) {
                    reached.push(name);
                }
            }
            hoists.extend(called.hoists.iter().cloned());
            next += 1;
        }
        hoists.retain(|hoist| hoist.end <= definition.span.start);
        hoists.sort_by_key(|hoist| (hoist.start, hoist.end));
        hoists.dedup();
        hoists
    }

    /// Calls of partials that do not exist, or cannot be called.
    fn calls_in_vain(&self, file: &str) -> Vec<Fault> {
        let names: Vec<&str> = self.definitions.iter().map(|definition| definition.name).collect();
        let mut faults = Vec::new();
        for (at, name) in self.calls(&(0..self.source.len())) {
            match self.definition(name) {
                None => {
                    let near = did_you_mean(name, &names);
                    faults.push(Fault::new(at, format!("partial \"{name}\" is not defined in {file}{near}")));
                }
                Some(Definition { block: Some(block), .. }) => {
                    let message = format!(
                        "partial \"{name}\" holds the block \"{block}\", which means one thing in its place and \
                         another in a call: move the block out of it, or do not call it"
                    );
                    faults.push(Fault::new(at, message));
                }
                Some(_) => {}
            }
        }
        faults
    }
}
