//! Mailers without a server: stdout, a folder, the memory.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::built::Message;

/// How many mails an outbox keeps: the last.
const OUTBOX: usize = 200;

/// Writes a mail to stdout, in the form in which it travels, and a line of dashes after it.
pub(super) fn to_console(message: &Message) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}\n{}", message.source.text().replace("\r\n", "\n"), "-".repeat(79))?;
    stdout.flush()
}

/// Writes a mail into a file of its own in that folder, which is made if it is not there. The file is named by the
/// Message-ID, so that a mail which is sent again has one file; it is there wholly or not at all.
pub(super) fn to_folder(folder: &Path, message: &Message) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    let name: String = message.message_id.trim_matches(['<', '>']).chars().map(plain).take(200).collect();
    let name = name.trim_start_matches('.');
    let (unfinished, file) = (folder.join(format!(".{name}.part")), folder.join(format!("{name}.eml")));
    fs::write(&unfinished, message.source.bytes())?;
    fs::rename(unfinished, file)
}

/// Whether mails can be written into that folder: makes it if it is not there, and tries.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check_folder(folder: &Path) -> Result<(), String> {
    let problem = |what: &str, error: &io::Error| format!("is {}, which {what}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(|error| problem("is no folder and cannot be made one", &error))?;
    let probe = folder.join(format!(".callboard-{}.part", std::process::id()));
    fs::write(&probe, b"").map_err(|error| problem("cannot be written to", &error))?;
    let _ = fs::remove_file(probe);
    Ok(())
}

/// The mails that a mailer kept instead of sending them, oldest first; the last 200.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<VecDeque<Arc<Message>>>>);

impl Outbox {
    pub(super) fn add(&self, message: Arc<Message>) {
        let mut mails = self.0.lock();
        if mails.len() >= OUTBOX {
            mails.pop_front();
        }
        mails.push_back(message);
    }

    pub(super) fn mails(&self) -> Vec<Arc<Message>> {
        self.0.lock().iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
