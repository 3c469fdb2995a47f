//! As much of the form of mail as it takes to find a report in one. It reads what it can: mail that comes back may be cut
//! off, and is written by programs of all ages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How deep parts may stand in parts.
const DEPTH: usize = 5;

/// A part of a mail, or all of it: its headers and its body, with `\n` at the ends of lines.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) headers: Fields,
    body: &'a str,
}

/// Headers or fields of a report, in order; what went over several lines is one.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads them up to the end of the text.
    pub(super) fn read(text: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match (line.starts_with([' ', '\t']), fields.last_mut()) {
                (true, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                _ => {
                    if let Some((name, value)) = line.split_once(':') {
                        fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                    }
                }
            }
        }
        Self(fields)
    }

    /// The first of that name, in small letters.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All of that name.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<'a> Part<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let (head, body) = match text.strip_prefix('\n') {
            Some(body) => ("", body),
            None => text.split_once("\n\n").unwrap_or((text, "")),
        };
        Self { headers: Fields::read(head), body }
    }

    /// Its type in small letters, without parameters.
    pub(super) fn mime(&self) -> String {
        let said = self.headers.get("content-type").unwrap_or("text/plain");
        said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Its body as it was before it was encoded for its way.
    pub(super) fn text(&self) -> String {
        let encoding = self.headers.get("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
        let decoded = match encoding.as_str() {
            "base64" => {
                let bytes: Vec<u8> = self.body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
                STANDARD.decode(bytes).ok()
            }
            "quoted-printable" => Some(unquoted(self.body)),
            _ => None,
        };
        decoded.map_or_else(|| self.body.to_owned(), |bytes| lines(&bytes))
    }

    /// The parts in it, and in those, in order; none if it has none.
    pub(super) fn parts(&self) -> Vec<Part<'a>> {
        let mut found = Vec::new();
        self.collect(DEPTH, &mut found);
        found
    }

    fn collect(&self, depth: usize, found: &mut Vec<Part<'a>>) {
        if depth == 0 || !self.mime().starts_with("multipart/") {
            return;
        }
        let Some(boundary) = self.parameter("boundary") else { return };
        for text in pieces(self.body, &boundary) {
            let part = Part::read(text);
            part.collect(depth - 1, found);
            found.push(part);
        }
    }

    /// A parameter of its type.
    fn parameter(&self, wanted: &str) -> Option<String> {
        let mut rest = self.headers.get("content-type")?.split_once(';')?.1;
        loop {
            let (name, value) = rest.split_once('=')?;
            let value = value.trim_start();
            let (value, behind) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => value.split_at(value.find(';').unwrap_or(value.len())),
            };
            if name.trim().eq_ignore_ascii_case(wanted) {
                return Some(value.trim().to_owned());
            }
            rest = behind.trim_start().strip_prefix(';').unwrap_or_default();
        }
    }
}

/// What stands between lines with the boundary; the last piece may have no end.
fn pieces<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (None, 0);
    for line in body.split_inclusive('\n') {
        let bare = line.trim_end();
        let mark = bare.strip_prefix("--").and_then(|rest| rest.strip_prefix(boundary));
        if matches!(mark, Some("" | "--")) {
            if let Some(start) = start {
                // The line end before the boundary belongs to the boundary.
                found.push(body[start..at].strip_suffix('\n').unwrap_or(&body[start..at]));
            }
            start = (mark == Some("")).then_some(at + line.len());
        }
        at += line.len();
    }
    found.extend(start.map(|start| &body[start..]));
    found
}

/// Bytes of a mail as text, with `\n` at the ends of lines, and a mark for what is no text.
pub(super) fn lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n")
}

fn unquoted(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = text.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (b'=', None) if text.get(at + 1) == Some(&b'\n') => at += 2,
            (byte, _) => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}
