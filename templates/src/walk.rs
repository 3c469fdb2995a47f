//! The one pass over a file's tags that finds its partials, and refuses what crosses them.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::lines::Lines;
use crate::scan::{Fault, Scan, Tag};
use crate::split::{Around, Definition, Reference, Role};

/// Definitions inside definitions: so many are more than anybody can read.
const DEEPEST: usize = 32;

/// Tags that are closed by `end..`. `set` is one only without an `=`.
const OPENERS: [&str; 9] = ["if", "for", "with", "filter", "autoescape", "block", "macro", "call", "partialdef"];

/// A tag that is open.
struct Scope<'s> {
    keyword: &'s str,
    at: usize,
    /// Which definition, if it is one.
    definition: Option<usize>,
    /// Imports and macros that were seen in it so far.
    hoists: Vec<Range<usize>>,
}

/// One pass over the tags, with the tags that are open.
pub(crate) struct Walk<'f, 's> {
    file: &'f str,
    source: &'s str,
    lines: Lines,
    open: Vec<Scope<'s>>,
    pub(crate) roles: Vec<Role>,
    pub(crate) definitions: Vec<Definition<'s>>,
    by_name: BTreeMap<&'s str, usize>,
    pub(crate) references: Vec<Reference>,
}

impl<'f, 's> Walk<'f, 's> {
    pub(crate) fn new(file: &'f str, source: &'s str) -> Self {
        let file_itself = Scope { keyword: "", at: 0, definition: None, hoists: Vec::new() };
        Self {
            file,
            source,
            lines: Lines::of(source),
            open: vec![file_itself],
            roles: Vec::new(),
            definitions: Vec::new(),
            by_name: BTreeMap::new(),
            references: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, found: &Scan<'s>) -> Result<(), Fault> {
        let mut supers = found.supers.iter().copied().peekable();
        for tag in &found.tags {
            while let Some(at) = supers.next_if(|at| *at < tag.span.end) {
                self.super_call(at)?;
            }
            let role = self.tag(tag)?;
            self.roles.push(role);
        }
        supers.try_for_each(|at| self.super_call(at))?;
        match self.open.last() {
            Some(scope) if self.open.len() > 1 => {
                let keyword = scope.keyword;
                Err(Fault::new(scope.at, format!("'{keyword}' is not closed: {{% end{keyword} %}} is missing")))
            }
            _ => Ok(()),
        }
    }

    fn tag(&mut self, tag: &Tag<'s>) -> Result<Role, Fault> {
        let args = &self.source[tag.args.clone()];
        match tag.keyword {
            "partialdef" => return self.open_definition(tag, args).map(Role::Opens),
            "endpartialdef" => return self.close_definition(tag, args).map(Role::Closes),
            "partial" => {
                let around = match () {
                    () if self.inside(&["autoescape"]) => Around::Autoescape,
                    () if self.inside(&["block"]) => Around::Block,
                    () => Around::Nothing,
                };
                return self.call(tag, args).map(|()| Role::Calls(around));
            }
            "verbatim" | "endverbatim" => return Ok(Role::Verbatim),
            "extends" => {
                self.refer("extends", tag, args);
                return self.extends(tag).map(|()| Role::Extends);
            }
            "include" => self.refer("include", tag, args),
            "import" => self.hoist("import", tag, args),
            "from" => self.hoist("from", tag, args),
            "else" | "elif" => self.branch(tag)?,
            "block" => {
                self.block(tag, args)?;
                self.push(tag, None);
            }
            "set" if !tag.assigns => self.push(tag, None),
            opener if OPENERS.contains(&opener) => self.push(tag, None),
            closer => {
                if let Some(opener) = closer.strip_prefix("end").filter(|name| *name == "set" || OPENERS.contains(name))
                {
                    self.close(tag, opener)?;
                }
            }
        }
        Ok(Role::Plain)
    }

    fn push(&mut self, tag: &Tag<'s>, definition: Option<usize>) {
        self.open.push(Scope { keyword: tag.keyword, at: tag.span.start, definition, hoists: Vec::new() });
    }

    /// The innermost open tag, if it is a `keyword`.
    fn pop(&mut self, keyword: &str) -> Option<Scope<'s>> {
        if self.open.last()?.keyword == keyword { self.open.pop() } else { None }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.line(at)
    }

    fn close(&mut self, tag: &Tag<'s>, opener: &str) -> Result<(), Fault> {
        let Some(scope) = self.pop(opener) else { return Err(self.crossed(tag)) };
        // Only a macro that is whole can be hoisted, and one inside of a macro comes with it.
        if opener == "macro" && !self.inside(&["macro"]) {
            self.hoist_range(scope.at..tag.span.end);
        }
        Ok(())
    }

    /// A tag that closes, or continues, what is not the innermost open tag.
    fn crossed(&self, tag: &Tag<'s>) -> Fault {
        let keyword = tag.keyword;
        let message = match self.open.last() {
            Some(scope) if !scope.keyword.is_empty() => {
                let (inner, line) = (self.call_it(scope), self.line(scope.at));
                format!("'{keyword}' does not belong to {inner} of line {line}, which is still open")
            }
            _ => format!("'{keyword}' closes nothing"),
        };
        Fault::new(tag.span.start, message)
    }

    fn call_it(&self, scope: &Scope<'s>) -> String {
        match scope.definition {
            Some(index) => format!("partial \"{}\"", self.definitions[index].name),
            None => format!("the '{}'", scope.keyword),
        }
    }

    fn branch(&self, tag: &Tag<'s>) -> Result<(), Fault> {
        match self.open.last() {
            Some(scope) if matches!(scope.keyword, "if" | "for") => Ok(()),
            _ => Err(self.crossed(tag)),
        }
    }

    /// Whether one of these stands around, as far as what stands there is executed there.
    fn inside(&self, keywords: &[&str]) -> bool {
        let called = |scope: &&Scope<'s>| scope.definition.is_none_or(|index| self.definitions[index].inline);
        self.open.iter().rev().take_while(called).any(|scope| keywords.contains(&scope.keyword))
    }

    fn open_definition(&mut self, tag: &Tag<'s>, args: &'s str) -> Result<usize, Fault> {
        let fault = |message: String| Fault::new(tag.span.start, message);
        let words: Vec<&'s str> = args.split_ascii_whitespace().collect();
        let (name, inline) = match words[..] {
            [] => return Err(fault("'partialdef' needs a name: {% partialdef row %}".into())),
            [name] => (name, false),
            [name, "inline"] => (name, true),
            [_, other] => {
                return Err(fault(format!(
                    "'partialdef' takes a name and perhaps the word inline, which has no parameters; not \"{other}\""
                )));
            }
            _ => return Err(fault("'partialdef' takes at most two words: a name and perhaps inline".into())),
        };
        check_name(name).map_err(fault)?;
        if let Some(first) = self.by_name.get(name) {
            let line = self.line(self.definitions[*first].span.start);
            return Err(fault(format!("partial \"{name}\" is already defined in {}, in line {line}", self.file)));
        }
        if self.open.iter().any(|scope| scope.keyword == "macro") {
            return Err(fault("a partial cannot be defined inside a macro: define it beside the macro".into()));
        }
        if self.open.iter().filter(|scope| scope.definition.is_some()).count() == DEEPEST {
            return Err(fault(format!("partials are nested more than {DEEPEST} deep")));
        }
        let index = self.definitions.len();
        let hoists = self.open.iter().flat_map(|scope| scope.hoists.iter().cloned()).collect();
        let (span, body) = (tag.span.clone(), tag.span.end..tag.span.end);
        self.definitions.push(Definition { name, inline, span, body, marks: (tag.right, ""), hoists, block: None });
        self.by_name.insert(name, index);
        self.push(tag, Some(index));
        Ok(index)
    }

    fn close_definition(&mut self, tag: &Tag<'s>, args: &str) -> Result<usize, Fault> {
        let Some(index) = self.pop("partialdef").and_then(|scope| scope.definition) else {
            return Err(self.crossed(tag));
        };
        let opened = self.definitions[index].span.start;
        let definition = &mut self.definitions[index];
        if !args.is_empty() && args != definition.name {
            let (name, line) = (definition.name, self.lines.line(opened));
            let message = format!(
                "'endpartialdef {args}' does not close partial \"{name}\" of line {line}: write {{% endpartialdef %}} \
                 or {{% endpartialdef {name} %}}"
            );
            return Err(Fault::new(tag.span.start, message));
        }
        definition.span.end = tag.span.end;
        definition.body.end = tag.span.start;
        definition.marks.1 = tag.left;
        Ok(index)
    }

    fn call(&self, tag: &Tag<'s>, args: &str) -> Result<(), Fault> {
        let fault = |message: String| Fault::new(tag.span.start, message);
        if args.split_ascii_whitespace().count() != 1 {
            return Err(fault("'partial' takes exactly one name: {% partial row %}".into()));
        }
        check_name(args).map_err(fault)?;
        if self.inside(&["macro", "call"]) {
            return Err(fault(
                "a partial cannot be called inside 'macro' or 'call', where it would not see the loops and variables \
                 around: call it outside, or make it a macro"
                    .into(),
            ));
        }
        Ok(())
    }

    fn block(&mut self, tag: &Tag<'s>, args: &'s str) -> Result<(), Fault> {
        let name = args.split_ascii_whitespace().next().unwrap_or_default();
        for index in self.open.iter().filter_map(|scope| scope.definition) {
            let definition = &mut self.definitions[index];
            if !definition.inline {
                let message = format!(
                    "block \"{name}\" stands inside partial \"{}\", which is not inline: no child could override it",
                    definition.name
                );
                return Err(Fault::new(tag.span.start, message));
            }
            definition.block = definition.block.or(Some(name));
        }
        Ok(())
    }

    fn extends(&self, tag: &Tag<'s>) -> Result<(), Fault> {
        match self.open.iter().find_map(|scope| scope.definition) {
            None => Ok(()),
            Some(index) => {
                let name = self.definitions[index].name;
                let message = format!("'extends' stands inside partial \"{name}\": only a whole file has a parent");
                Err(Fault::new(tag.span.start, message))
            }
        }
    }

    /// `super()` means the parent of the block around it, and a partial takes no block with it.
    fn super_call(&self, at: usize) -> Result<(), Fault> {
        let nearest = self.open.iter().rev().find(|scope| scope.keyword == "block" || scope.definition.is_some());
        match nearest.and_then(|scope| scope.definition) {
            None => Ok(()),
            Some(index) => {
                let name = self.definitions[index].name;
                let message = format!(
                    "super() stands inside partial \"{name}\", and its block outside: a fragment has no parent; \
                     move it out of the partial"
                );
                Err(Fault::new(at, message))
            }
        }
    }

    fn hoist(&mut self, keyword: &'static str, tag: &Tag<'s>, args: &str) {
        self.refer(keyword, tag, args);
        self.hoist_range(tag.span.clone());
    }

    fn hoist_range(&mut self, range: Range<usize>) {
        // What stands inside a macro comes with the macro.
        if let Some(scope) = self.open.last_mut().filter(|scope| scope.keyword != "macro") {
            scope.hoists.push(range);
        }
    }

    /// Notes the name if it stands there as it is, and must exist.
    fn refer(&mut self, keyword: &'static str, tag: &Tag<'s>, args: &str) {
        let Some(quote) = args.chars().next().filter(|first| matches!(first, '"' | '\'')) else { return };
        let Some((name, rest)) = args[1..].split_once(quote) else { return };
        let rest: Vec<&str> = rest.split_ascii_whitespace().collect();
        let alone = match keyword {
            "include" => matches!(rest[..], [] | ["with" | "without", "context"]),
            "extends" => rest.is_empty(),
            "import" => rest.first() == Some(&"as"),
            _ => rest.first() == Some(&"import"),
        };
        if alone && !name.contains('\\') {
            self.references.push(Reference { at: tag.span.start, name: name.to_owned(), keyword });
        }
    }
}

/// What a partial may be called: a letter or `_`, then letters, digits, `_` and `-`.
fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if first && rest && !name.ends_with('-') {
        return Ok(());
    }
    let why = if name.contains(['"', '\'']) {
        "names of partials are not quoted"
    } else {
        "a name is a letter or _ and then letters, digits, _ and -, not ending in -"
    };
    Err(format!("{name:?} cannot be the name of a partial: {why}"))
}
