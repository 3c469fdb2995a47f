//! What a server answers: three digits, often a finer code, and a text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An answer of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three digits: 250, 550.
    pub code: u16,
    /// Its lines, one text; control characters are left out.
    pub text: String,
}

/// The longest answer that is read.
pub(super) const MAX_REPLY: usize = 64 * 1024;

/// One line of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) code: u16,
    /// Whether more lines follow.
    pub(super) more: bool,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line without its end; `None` if it is no answer.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let code: u16 = digits.parse().ok().filter(|code| (200..600).contains(code))?;
        match line[3..].chars().next() {
            None => Some(Self { code, more: false, text: "" }),
            Some('-') => Some(Self { code, more: true, text: &line[4..] }),
            Some(' ') => Some(Self { code, more: false, text: &line[4..] }),
            Some(_) => None,
        }
    }
}

impl Reply {
    /// Whether it is a yes: 2xx or 3xx.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether it is a no for now: 4xx.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.code >= 400 && self.code < 500
    }

    /// The finer code (RFC 3463) that the text begins with, as `(5, 1, 1)`.
    #[must_use]
    pub fn enhanced(&self) -> Option<(u16, u16, u16)> {
        let word = self.text.split_whitespace().next()?;
        let mut parts = word.split('.');
        let mut part = || {
            let part = parts.next()?;
            let good = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if good { part.parse::<u16>().ok() } else { None }
        };
        let code = (part()?, part()?, part()?);
        (parts.next().is_none() && code.0 == self.code / 100).then_some(code)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_three_digits_a_mark_and_a_text() {
        assert_eq!(Line::read("250 OK"), Some(Line { code: 250, more: false, text: "OK" }));
        assert_eq!(Line::read("250-SIZE 10"), Some(Line { code: 250, more: true, text: "SIZE 10" }));
        assert_eq!(Line::read("354"), Some(Line { code: 354, more: false, text: "" }));
        for no_answer in ["", "25", "25x OK", "250OK", "199 x", "600 x", "é50 x", "HTTP/1.1 200 OK"] {
            assert_eq!(Line::read(no_answer), None, "{no_answer:?}");
        }
    }

    #[test]
    fn the_finer_code_counts_only_if_it_agrees_with_the_code() {
        let enhanced = |code, text: &str| Reply { code, text: text.into() }.enhanced();
        assert_eq!(enhanced(550, "5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced(451, "4.7.1 greylisted"), Some((4, 7, 1)));
        assert_eq!(enhanced(550, "4.1.1 what"), None);
        assert_eq!(enhanced(550, "5.1 what"), None);
        assert_eq!(enhanced(550, "5.1.1.1 what"), None);
        assert_eq!(enhanced(550, "127.0.0.1 is not welcome"), None);
        assert_eq!(enhanced(550, ""), None);
    }
}
