//! Finds the tags of a source, exactly where minijinja's own lexer finds them.

use std::ops::Range;

/// What is wrong with a source, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// One `{% .. %}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag<'s> {
    /// The whole tag with its delimiters.
    pub(crate) span: Range<usize>,
    /// `-`, `+` or nothing, after `{%` and before `%}`.
    pub(crate) left: &'s str,
    pub(crate) right: &'s str,
    pub(crate) keyword: &'s str,
    /// Where the text after the keyword stands, without the spaces around it.
    pub(crate) args: Range<usize>,
    /// Whether it has an `=` outside of brackets and strings: so `{% set %}` needs no `{% endset %}`.
    pub(crate) assigns: bool,
}

/// What one pass over a source finds.
#[derive(Debug, Default)]
pub(crate) struct Scan<'s> {
    /// In order. Inside of raw blocks and comments there are none; `verbatim` and its end are tags.
    pub(crate) tags: Vec<Tag<'s>>,
    /// Where `super(` is called.
    pub(crate) supers: Vec<usize>,
}

/// Scans a source in minijinja's default syntax, and with Django's `{% verbatim %}`.
///
/// Raw blocks, comments and strings are passed over, and brackets are counted, so that neither `{{ '%}' }}` nor
/// `{{ {'a': {}} }}` ends early.
pub(crate) fn scan(source: &str) -> Result<Scan<'_>, Fault> {
    Scanner { source, bytes: source.as_bytes(), found: Scan::default() }.run()
}

struct Scanner<'s> {
    source: &'s str,
    bytes: &'s [u8],
    found: Scan<'s>,
}

/// Where code ends, and where the tag around it does.
struct Code {
    inner: usize,
    outer: usize,
    assigns: bool,
}

impl<'s> Scanner<'s> {
    fn run(mut self) -> Result<Scan<'s>, Fault> {
        let mut at = 0;
        while let Some(start) = find(self.bytes, at, b"{") {
            let mark = mark_at(self.bytes, start + 2);
            let body = start + 2 + mark;
            at = match self.bytes.get(start + 1) {
                Some(b'#') => {
                    let end = find(self.bytes, body, b"#}");
                    end.ok_or_else(|| Fault::new(start, "this comment is not closed: '#}' is missing"))? + 2
                }
                Some(b'{') => {
                    let code = self.code(body, b"}}");
                    code.ok_or_else(|| Fault::new(start, "this expression is not closed: '}}' is missing"))?.outer
                }
                Some(b'%') => match basic_tag(self.bytes, body, b"raw") {
                    Some(inside) => self.raw(start, inside)?,
                    None => self.tag(start, body)?,
                },
                _ => start + 1,
            };
        }
        Ok(self.found)
    }

    /// Past the raw block that opens at `start`.
    fn raw(&self, start: usize, mut at: usize) -> Result<usize, Fault> {
        while let Some(found) = find(self.bytes, at, b"{%") {
            at = found + 2;
            if let Some(end) = basic_tag(self.bytes, at + mark_at(self.bytes, at), b"endraw") {
                return Ok(end);
            }
        }
        Err(Fault::new(start, "'raw' is not closed: {% endraw %} is missing"))
    }

    fn tag(&mut self, start: usize, body: usize) -> Result<usize, Fault> {
        let Some(code) = self.code(body, b"%}") else {
            return Err(Fault::new(start, "this tag is not closed: '%}' is missing"));
        };
        let tag = self.make(start..code.outer, body..code.inner, code.assigns);
        let (verbatim, label) = (tag.keyword == "verbatim", self.source[tag.args.clone()].to_owned());
        self.found.tags.push(tag);
        if !verbatim {
            return Ok(code.outer);
        }
        // Everything up to the end tag with the same label is text, whatever it looks like.
        let mut at = code.outer;
        while let Some(found) = find(self.bytes, at, b"{%") {
            at = found + 2;
            let Some(close) = find(self.bytes, at, b"%}") else { break };
            let (left, right) = (mark_at(self.bytes, at), usize::from(matches!(self.bytes[close - 1], b'-' | b'+')));
            if at + left > close - right {
                continue;
            }
            let end = self.make(found..close + 2, at + left..close - right, false);
            if end.keyword == "endverbatim" && self.source[end.args.clone()] == label {
                self.found.tags.push(end);
                return Ok(close + 2);
            }
        }
        Err(Fault::new(start, "'verbatim' is not closed: {% endverbatim %} is missing"))
    }

    fn make(&self, span: Range<usize>, inner: Range<usize>, assigns: bool) -> Tag<'s> {
        let text = &self.source[inner.clone()];
        let from = inner.start + (text.len() - text.trim_start().len());
        let keyword = from + word(self.bytes, from);
        let rest = &self.source[keyword..inner.end.max(keyword)];
        let args = keyword + (rest.len() - rest.trim_start().len());
        Tag {
            left: &self.source[span.start + 2..inner.start],
            right: &self.source[inner.end..span.end - 2],
            keyword: &self.source[from..keyword],
            args: args..args + rest.trim().len(),
            span,
            assigns,
        }
    }

    /// Where the code that starts at `at` ends.
    fn code(&mut self, mut at: usize, close: &[u8]) -> Option<Code> {
        let bytes = self.bytes;
        let (mut depth, mut assigns) = (0_i64, false);
        while at < bytes.len() {
            if depth == 0 {
                let mark = mark_at(bytes, at);
                if bytes[at + mark..].starts_with(close) {
                    return Some(Code { inner: at, outer: at + mark + close.len(), assigns });
                }
            }
            match bytes[at] {
                quote @ (b'"' | b'\'') => at = string(bytes, at, quote)?,
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                b'=' | b'!' | b'<' | b'>' if bytes.get(at + 1) == Some(&b'=') => at += 1,
                b'=' if depth == 0 => assigns = true,
                byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                    let end = at + word(bytes, at);
                    let call = bytes[end..].trim_ascii_start().first() == Some(&b'(');
                    let attribute = bytes[..at].trim_ascii_end().last() == Some(&b'.');
                    if call && !attribute && &bytes[at..end] == b"super" {
                        self.found.supers.push(at);
                    }
                    at = end - 1;
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

/// The last byte of the string that starts at `at`.
fn string(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    at += 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

/// The end of a tag that holds nothing but `name`, whose inside starts at `at`.
fn basic_tag(bytes: &[u8], at: usize, name: &[u8]) -> Option<usize> {
    let rest = bytes.get(at..)?.trim_ascii_start().strip_prefix(name)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest);
    let rest = rest.strip_prefix(b"%}")?;
    Some(bytes.len() - rest.len())
}

/// 1 if a whitespace mark stands here.
fn mark_at(bytes: &[u8], at: usize) -> usize {
    usize::from(matches!(bytes.get(at), Some(b'-' | b'+')))
}

/// The length of the word that starts here.
fn word(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at)
}
