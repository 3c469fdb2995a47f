//! What a terminal may be shown, and where it goes.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use callboard_tasks::Phase;

/// Writes to stdout; colours are left out unless a terminal shows them.
pub(super) fn to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes to stderr; colours are left out unless a terminal shows them.
pub(super) fn to_stderr(text: &str) -> io::Result<()> {
    anstream::stderr().lock().write_all(text.as_bytes())
}

/// Text from elsewhere, made harmless for a terminal: what is neither shown nor a line break is written out.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push(c),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}

/// The first line of a text, harmless, at most `most` characters long.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut lines = text.lines();
    let line = plain(lines.next().unwrap_or_default());
    let cut = lines.next().is_some() || line.chars().count() > most;
    let kept: String = line.chars().take(if cut { most.saturating_sub(1) } else { most }).collect();
    if cut { format!("{kept}…") } else { kept }
}

pub(super) fn red(text: impl Display) -> String {
    styled(&text, AnsiColor::Red.on_default().bold())
}

pub(super) fn bold(text: impl Display) -> String {
    styled(&text, Style::new().bold())
}

pub(super) fn dim(text: impl Display) -> String {
    styled(&text, Style::new().dimmed())
}

/// A phase in the colour of its kind; one that this version does not know is shown as it is.
pub(super) fn phase(name: &str) -> String {
    let colour = match Phase::parse(name) {
        Some(Phase::Successful) => AnsiColor::Green,
        Some(Phase::Running | Phase::Cancelling) => AnsiColor::Cyan,
        Some(Phase::RetryWait | Phase::Parked) => AnsiColor::Yellow,
        Some(Phase::Failed | Phase::Cancelled | Phase::Expired | Phase::Quarantined) => AnsiColor::Red,
        Some(Phase::Scheduled | Phase::Ready) | None => return plain(name),
    };
    styled(&plain(name), colour.on_default())
}

fn styled(text: &dyn Display, style: Style) -> String {
    format!("{style}{text}{style:#}")
}
