//! Takes out of reports what must not be kept: queries, fragments, users, nonces, hashes, control characters.

/// The longest text that is kept.
const LONGEST: usize = 512;
/// The longest sample; browsers send as much.
const SAMPLE: usize = 40;

/// The parts of an address that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) scheme: &'a str,
    /// Host and port, without the user.
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
}

impl<'a> Address<'a> {
    /// Reads `scheme://user@host:port/path?query#fragment`; `None` if it is not of that form.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
        let authority = authority.rsplit('@').next().unwrap_or_default();
        is_scheme.then_some(Self { scheme, authority, path })
    }

    /// The origin, in small letters, without the usual port.
    pub(crate) fn origin(&self) -> String {
        let (scheme, authority) = (self.scheme.to_ascii_lowercase(), self.authority.to_ascii_lowercase());
        let usual = match scheme.as_str() {
            "https" | "wss" => ":443",
            "http" | "ws" => ":80",
            _ => "",
        };
        let authority = authority.strip_suffix(usual).unwrap_or(&authority);
        text(&format!("{scheme}://{authority}"))
    }
}

/// A text as it is kept: bounded, and without control characters, which would forge lines of a log.
pub(crate) fn text(text: &str) -> String {
    cut(text, LONGEST)
}

fn cut(text: &str, longest: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let shown =
            if c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) {
                '\u{fffd}'
            } else {
                c
            };
        if kept.len() + shown.len_utf8() > longest {
            break;
        }
        kept.push(shown);
    }
    kept
}

/// The path of a page that no route has: what looks like an id or a secret is taken out.
pub(crate) fn shown_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments = path.split('/').map(|segment| if is_id(segment) { "{}" } else { segment });
    let shown: Vec<&str> = segments.collect();
    let shown = shown.join("/");
    if shown.is_empty() { "/".into() } else { text(&shown) }
}

/// Whether a part of a path is an id rather than a name.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    segment.len() > 24
        || segment.contains(['@', '%', '=', ';'])
        || digits > 4
        || (digits > 0 && digits == segment.len())
}

/// The beginning of a script or style, without what may be a secret in it.
pub(crate) fn sample(sample: &str) -> String {
    let mut kept = String::new();
    // Far more than is kept, and little enough to look through again and again.
    let end = sample.char_indices().nth(256).map_or(sample.len(), |(end, _)| end);
    let mut rest = &sample[..end];
    while let Some((start, skip)) = next_secret(rest) {
        kept.push_str(&rest[..start]);
        kept.push('…');
        rest = &rest[start + skip..];
    }
    kept.push_str(rest);
    let short: String = kept.chars().take(SAMPLE).collect();
    cut(&short, LONGEST)
}

/// The next secret of a text: where it begins, and how long it is.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let mut first: Option<(usize, usize)> = None;
    let mut found = |start: usize, skip: usize| {
        if skip > 0 && first.is_none_or(|(known, _)| start < known) {
            first = Some((start, skip));
        }
    };
    // Behind these stands a nonce or a hash.
    for mark in ["nonce-", "nonce=\"", "nonce='", "nonce=", "sha256-", "sha384-", "sha512-"] {
        for (at, _) in lower.match_indices(mark) {
            let start = at + mark.len();
            found(start, run(&text[start..], |b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b)));
        }
    }
    // A query or fragment: what follows until the address ends. The question mark of an expression has no name
    // right behind it with an equals sign.
    for (at, mark) in lower.match_indices(['?', '#']) {
        let start = at + mark.len();
        let address = run(&text[start..], |b| !b.is_ascii_whitespace() && !b"\"'`<>(){}".contains(&b));
        if text[start..start + address].contains('=') {
            found(start, address);
        }
    }
    // A user in an address.
    for (at, mark) in lower.match_indices("://") {
        let start = at + mark.len();
        let authority = run(&text[start..], |b| !b.is_ascii_whitespace() && !b"/?#\"'`<>".contains(&b));
        if let Some(user) = text[start..start + authority].rfind('@') {
            found(start, user);
        }
    }
    first
}

/// How many bytes at the beginning are so, ending where a character ends.
fn run(text: &str, fits: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|b| !fits(b)).map_or(text.len(), |end| {
        let mut end = end;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        end
    })
}
