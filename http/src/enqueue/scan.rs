//! One pass over JSON text that a client sent, for what reading it into values would hide or not survive: too many
//! levels, whole numbers beyond 64 bits (they would become floats) and members that are there twice (one would win).
//!
//! The text is well-formed, as the reader of the body has seen.

use std::borrow::Cow;
use std::ops::Range;

use crate::members::{Wrong, shown};

const MAX_DEPTH: usize = 64;

/// Checks a text. Members are looked at in objects that stand at level `from` or deeper; 1 is the outermost.
/// Objects above that cost nothing: flat arguments are checked without an allocation.
pub(super) fn check(json: &str, from: usize) -> Result<(), Wrong> {
    let (mut depth, mut deepest, mut text) = (0usize, 0, 0..0);
    let mut keys: Vec<Key<'_>> = Vec::new();
    let mut mistake: Option<Mistake> = None;
    for token in (Tokens { json, at: 0 }) {
        match token.first {
            b'"' => text = token.place,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b':' if depth >= from => {
                keys.push(Key { depth, name: unescaped(&json[text.clone()]), end: token.place.end });
            }
            b'}' => {
                let first = keys.iter().rposition(|key| key.depth < depth).map_or(0, |above| above + 1);
                if let Some(end) = twice(&mut keys[first..]) {
                    mistake.get_or_insert(Mistake { end, detail: "is given more than once" });
                }
                keys.truncate(first);
                depth = depth.saturating_sub(1);
            }
            b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' if !fits(&json[token.place.clone()]) => {
                let detail = "is a whole number beyond 64 bits; send it as text";
                mistake.get_or_insert(Mistake { end: token.place.start, detail });
            }
            _ => {}
        }
    }
    if deepest > MAX_DEPTH {
        return Err(format!("is nested {deepest} deep; at most {MAX_DEPTH} levels are allowed").into());
    }
    match mistake {
        None => Ok(()),
        Some(Mistake { end, detail }) => Err(Wrong { below: pointer(json, end), detail: detail.to_owned() }),
    }
}

/// Something wrong: the value that `end` stands before, or within.
struct Mistake {
    end: usize,
    detail: &'static str,
}

/// A member of an object that is still open.
struct Key<'a> {
    /// The level of its object.
    depth: usize,
    name: Cow<'a, str>,
    /// Where its value begins.
    end: usize,
}

/// Where the value of a member begins whose name stands among these twice.
fn twice(keys: &mut [Key<'_>]) -> Option<usize> {
    /// So few are faster compared each with each than sorted.
    const FEW: usize = 16;
    if keys.len() <= FEW {
        let second = (1..keys.len()).find(|&n| keys[..n].iter().any(|key| key.name == keys[n].name));
        return second.map(|n| keys[n].end);
    }
    keys.sort_unstable_by(|a, b| (&a.name, a.end).cmp(&(&b.name, b.end)));
    keys.windows(2).find(|pair| pair[0].name == pair[1].name).map(|pair| pair[1].end)
}

/// What a JSON text means; `"\u0061"` is the same name as `"a"`.
fn unescaped(text: &str) -> Cow<'_, str> {
    let plain = text.trim_matches('"');
    if !text.contains('\\') {
        return Cow::Borrowed(plain);
    }
    serde_json::from_str(text).map_or(Cow::Borrowed(plain), Cow::Owned)
}

/// Whether a number is a float, or a whole one that an `i64` or `u64` holds.
fn fits(number: &str) -> bool {
    /// So many digits fit whatever they are.
    const SURELY: usize = 18;
    number.len() <= SURELY
        || number.contains(['.', 'e', 'E'])
        || number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
}

/// The way to the value at `end`, as the rest of a JSON pointer.
fn pointer(json: &str, end: usize) -> String {
    enum Step<'a> {
        Item(usize),
        Member(&'a str),
    }
    let (mut steps, mut text) = (Vec::new(), 0..0);
    for token in (Tokens { json, at: 0 }).take_while(|token| token.place.end <= end) {
        match (token.first, steps.last_mut()) {
            (b'"', _) => text = token.place,
            (b'{', _) => steps.push(Step::Member("")),
            (b'[', _) => steps.push(Step::Item(0)),
            (b'}' | b']', _) => drop(steps.pop()),
            (b',', Some(Step::Item(n))) => *n += 1,
            (b':', Some(step)) => *step = Step::Member(&json[text.clone()]),
            _ => {}
        }
    }
    let written = steps.iter().map(|step| match step {
        Step::Item(n) => format!("/{n}"),
        Step::Member(name) => format!("/{}", shown(&unescaped(name)).replace('~', "~0").replace('/', "~1")),
    });
    written.collect()
}

/// A text, a number, or one of `{}[]:,`. Nothing else matters here.
struct Token {
    first: u8,
    place: Range<usize>,
}

struct Tokens<'a> {
    json: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.json.as_bytes();
        loop {
            let start = self.at;
            let first = *bytes.get(start)?;
            self.at += 1;
            match first {
                b'"' => self.at += length_of_text(&bytes[self.at..]),
                b'-' | b'0'..=b'9' => {
                    let more = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    self.at += bytes[self.at..].iter().take_while(|b| more(b)).count();
                }
                b'{' | b'}' | b'[' | b']' | b':' | b',' => {}
                _ => continue,
            }
            return Some(Token { first, place: start..self.at });
        }
    }
}

/// How long a text is from behind its first quote to behind its last.
fn length_of_text(bytes: &[u8]) -> usize {
    let mut escaped = false;
    let last = bytes.iter().position(|&byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => byte == b'"',
    });
    last.map_or(bytes.len(), |last| last + 1)
}
