//! The folder of mails that are too large for a job: a file for each, named by its content, so that a job need only name it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The largest mail that is spooled, in bytes; more than servers take.
pub(super) const MOST: usize = 50 * 1024 * 1024;

/// How long a mail stays after its job last read it, or was enqueued: longer than failed jobs are kept, which may be
/// run again by hand.
const KEEP: Duration = Duration::from_secs(40 * 24 * 3600);

/// A mail in the spool, as a job names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spooled {
    /// The SHA-256 of its bytes, in hex: the name of its file, and what they are checked against.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Why a spooled mail cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    /// The file cannot be read or written; later it may be.
    #[error("the spooled mail {} cannot be used", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// There is a file, and it is not the mail.
    #[error("the spooled mail {} is not what it was when it was queued", .0.display())]
    Changed(PathBuf),
}

/// Puts a mail into the folder, which is made if it is not there, and clears away what nobody has asked for in
/// forty days. It is there wholly, and on the disk, when this returns.
pub(super) fn put(folder: &Path, source: &[u8]) -> Result<Spooled, SpoolError> {
    let spooled = Spooled { sha256: sha256(source), bytes: source.len() as u64 };
    let file = file_of(folder, &spooled);
    let write = || {
        make_folder(folder)?;
        if is_there(&file, &spooled) {
            return touch(&file);
        }
        let unfinished = folder.join(format!(".{}-{}.part", spooled.sha256, std::process::id()));
        let mut part = crate::private::file().write(true).create(true).truncate(true).open(&unfinished)?;
        part.write_all(source)?;
        part.sync_all()?;
        fs::rename(&unfinished, &file)?;
        sync_folder(folder)
    };
    write().map_err(|error| SpoolError::Io(file.clone(), error))?;
    sweep(folder, SystemTime::now());
    Ok(spooled)
}

/// The bytes of a mail, which are those that were put in.
pub(super) fn get(folder: &Path, spooled: &Spooled) -> Result<Vec<u8>, SpoolError> {
    let file = file_of(folder, spooled);
    // What comes past the board may name anything; a file of ours has such a name.
    if !is_name(&spooled.sha256) {
        return Err(SpoolError::Changed(file));
    }
    let source = fs::read(&file).map_err(|error| SpoolError::Io(file.clone(), error))?;
    if sha256(&source) != spooled.sha256 {
        return Err(SpoolError::Changed(file));
    }
    // Others may only read it; then it counts from when it was written.
    let _ = touch(&file);
    Ok(source)
}

/// Deletes the mails that nobody has asked for in a long time. What cannot be deleted stays.
pub(super) fn sweep(folder: &Path, now: SystemTime) {
    let Ok(files) = fs::read_dir(folder) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let is_ours = name.to_str().and_then(|name| name.strip_suffix(".eml")).is_some_and(is_name);
        let modified = file.metadata().and_then(|about| about.modified());
        let is_old = modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > KEEP));
        if is_ours && is_old {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// The SHA-256 of these bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_of(folder: &Path, spooled: &Spooled) -> PathBuf {
    folder.join(format!("{}.eml", spooled.sha256))
}

fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_there(file: &Path, spooled: &Spooled) -> bool {
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() == spooled.bytes)
}

fn touch(file: &Path) -> io::Result<()> {
    fs::File::options().append(true).open(file)?.set_modified(SystemTime::now())
}

/// Mail is personal: what is made here is its owner's alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A file that was renamed is there after a crash only if its folder was written too.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
