//! The texts that minijinja is given: one for the file, two for each partial, all with the file's own lines.
//!
//! What must not be seen becomes a comment with as many line ends, and with the whitespace marks of the tags that it
//! replaces, since to minijinja a comment is a tag like any other. So a fault has its right line in every text, and
//! `{%-` works at a definition as it does anywhere.

use std::ops::Range;

use minijinja::AutoEscape;

use crate::names::{Key, escape_of, quoted};
use crate::scan::Tag;
use crate::split::{Around, Definition, Role, Split};

/// The filter that makes of a called partial's name the one for how is escaped where it is called.
pub(crate) const CHOOSE: &str = "__partial";
/// The filter that lets no partial pass as a parent, and has the parent's own calls escape as its child does.
pub(crate) const PARENT: &str = "__parent";

/// Writes the texts of one file.
pub(crate) struct Writer<'a, 's> {
    pub(crate) file: &'a str,
    pub(crate) key: &'a Key,
    pub(crate) split: &'a Split<'s>,
    /// Whether some file of the set may have a block inside an `autoescape`.
    pub(crate) autoescapes: bool,
}

impl Writer<'_, '_> {
    /// The file, with each definition gone or in place, and each call an include.
    pub(crate) fn main(&self) -> String {
        self.range(0..self.split.source.len(), &escape_of(self.file))
    }

    /// A partial for those who load it by its name: with imports and macros of the file.
    pub(crate) fn public(&self, definition: &Definition<'_>) -> String {
        self.partial(definition, &self.split.prelude(definition))
    }

    /// A partial for its own file, which has executed all that stands before it.
    pub(crate) fn bare(&self, definition: &Definition<'_>) -> String {
        self.partial(definition, &[])
    }

    fn partial(&self, definition: &Definition<'_>, live: &[Range<usize>]) -> String {
        let escape = escape_of(&format!("{}#{}", self.file, definition.name));
        let (open, close) = definition.marks;
        let (mut text, mut at) = (String::new(), 0);
        for range in live {
            // One may stand inside another, as an import in a macro does.
            if range.start >= at {
                self.blank(&mut text, at..range.start, "");
                text.push_str(&self.range(range.clone(), &escape));
                at = range.end;
            }
        }
        self.blank(&mut text, at..definition.body.start, open);
        text.push_str(&self.range(definition.body.clone(), &escape));
        if !close.is_empty() {
            text.push_str(&format!("{{#{close} #}}"));
        }
        text
    }

    /// What minijinja sees of this range, in a text that is escaped in this way.
    fn range(&self, range: Range<usize>, escape: &AutoEscape) -> String {
        let source = self.split.source;
        let (mut text, mut at) = (String::with_capacity(range.len() + 16), range.start);
        let tags = &self.split.tags;
        let first = tags.partition_point(|tag| tag.span.start < range.start);
        for (tag, role) in tags[first..].iter().zip(&self.split.roles[first..]) {
            if tag.span.end > range.end {
                break;
            }
            if tag.span.start < at || *role == Role::Plain {
                continue;
            }
            text.push_str(&source[at..tag.span.start]);
            at = tag.span.end;
            match *role {
                Role::Plain => {}
                Role::Opens(index) if !self.split.definitions[index].inline => {
                    let definition = &self.split.definitions[index];
                    // The mark of the end tag goes on after the comment.
                    let end = &tags[tags.partition_point(|end| end.span.end < definition.span.end)];
                    self.comment(&mut text, tag.left, definition.span.clone(), end.right);
                    at = definition.span.end;
                }
                Role::Opens(_) | Role::Closes(_) => self.comment(&mut text, tag.left, tag.span.clone(), tag.right),
                Role::Calls(around) => {
                    let known = around == Around::Nothing || (around == Around::Block && !self.autoescapes);
                    self.include(&mut text, tag, escape, known);
                }
                Role::Extends => self.extends(&mut text, tag),
                Role::Verbatim => {
                    let raw = if tag.keyword == "verbatim" { "raw" } else { "endraw" };
                    let ends = self.line_ends(tag.span.clone());
                    text.push_str(&format!("{{%{} {raw}{ends} {}%}}", tag.left, tag.right));
                }
            }
        }
        text.push_str(&source[at..range.end]);
        text
    }

    fn line_ends(&self, range: Range<usize>) -> String {
        "\n".repeat(self.split.source[range].bytes().filter(|byte| *byte == b'\n').count())
    }

    fn comment(&self, text: &mut String, left: &str, range: Range<usize>, right: &str) {
        text.push_str(&format!("{{#{left} {} {right}#}}", self.line_ends(range)));
    }

    /// A comment for what stands before the text of a partial; nothing if it would do nothing.
    fn blank(&self, text: &mut String, range: Range<usize>, right: &str) {
        if !right.is_empty() || self.split.source[range.clone()].contains('\n') {
            self.comment(text, "", range, right);
        }
    }

    fn include(&self, text: &mut String, tag: &Tag<'_>, escape: &AutoEscape, known: bool) {
        let partial = &self.split.source[tag.args.clone()];
        let name = quoted(&self.key.internal(self.file, Some(partial), escape));
        // To ask at run time costs a third more than the include itself.
        let choose = if known { String::new() } else { format!("|{CHOOSE}") };
        let ends = self.line_ends(tag.span.clone());
        let (left, right) = (tag.left, tag.right);
        text.push_str(&format!("{{%{left} include {name}{choose}{ends} {right}%}}"));
    }

    fn extends(&self, text: &mut String, tag: &Tag<'_>) {
        let args = &self.split.source[tag.args.clone()];
        let before = self.line_ends(tag.span.start..tag.args.start);
        let after = self.line_ends(tag.args.end..tag.span.end);
        let (left, right) = (tag.left, tag.right);
        text.push_str(&format!("{{%{left} extends{before} ({args})|{PARENT}{after} {right}%}}"));
    }
}
