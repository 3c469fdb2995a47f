//! Where sources come from: folders, and texts that a program brings with it; and whether they have changed.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::Error;

/// Folders are followed so deep; a link to a folder above would have no end.
const DEEPEST: usize = 32;
/// Two changes within this time may leave the same stamp on a file.
const COARSE: Duration = Duration::from_secs(2);

/// The texts of files by name, or why one cannot be used.
pub(crate) type Sources = BTreeMap<String, Result<Arc<str>, String>>;

/// Where sources come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The first that has a file wins.
    pub(crate) folders: Vec<PathBuf>,
    /// Texts by name, for files that no folder has.
    pub(crate) texts: BTreeMap<String, Arc<str>>,
}

/// What was read, and how each file looked when it was.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) sources: Sources,
    stamps: BTreeMap<String, Stamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    /// Whether it was read so soon after it was written that its next change may look the same.
    young: bool,
}

impl Origin {
    /// Reads everything; what has not changed since `last` is taken from there. `None` if nothing has changed.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if a folder cannot be listed. A file that cannot be read is among the sources, with why.
    pub(crate) fn read(&self, last: Option<&Reading>) -> Result<Option<Reading>, Error> {
        let mut reading = Reading::default();
        let mut changed = last.is_none();
        for folder in &self.folders {
            let mut found = BTreeMap::new();
            list(folder, "", 0, &mut found)?;
            for (name, (path, metadata)) in found {
                if reading.sources.contains_key(&name) {
                    continue;
                }
                let old = last.and_then(|last| Some((last.stamps.get(&name)?, last.sources.get(&name)?)));
                let (stamp, source) = read_file(&name, path, &metadata, old);
                changed |= old.is_none_or(|(_, old)| *old != source);
                reading.stamps.insert(name.clone(), stamp);
                reading.sources.insert(name, source);
            }
        }
        for (name, text) in &self.texts {
            reading.sources.entry(name.clone()).or_insert_with(|| Ok(Arc::clone(text)));
        }
        changed |= last.is_some_and(|last| !last.sources.keys().eq(reading.sources.keys()));
        changed |= last.is_some_and(|last| !last.stamps.keys().eq(reading.stamps.keys()));
        Ok(changed.then_some(reading))
    }
}

/// Every file below `folder`, by its name as a template.
fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut BTreeMap<String, (PathBuf, Metadata)>,
) -> Result<(), Error> {
    let unreadable = |source| Error::Folder { path: folder.to_owned(), source };
    if depth > DEEPEST {
        return Err(unreadable(io::Error::other(format!("folders are more than {DEEPEST} deep"))));
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry: DirEntry = entry.map_err(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // What hidden files and editors leave behind is no template.
        if name.starts_with(['.', '#']) || name.ends_with('~') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => list(&path, &format!("{prefix}{name}/"), depth + 1, found)?,
            // A pipe or a device would never end.
            Ok(metadata) if !metadata.is_file() => {}
            Ok(metadata) => {
                found.insert(format!("{prefix}{name}"), (path, metadata));
            }
            // Gone since it was listed, or a link to nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Folder { path, source }),
        }
    }
    Ok(())
}

fn read_file(
    name: &str,
    path: PathBuf,
    metadata: &Metadata,
    old: Option<(&Stamp, &Result<Arc<str>, String>)>,
) -> (Stamp, Result<Arc<str>, String>) {
    let modified = metadata.modified().ok();
    let young = modified.is_none_or(|at| at.elapsed().map_or(true, |age| age < COARSE));
    let stamp = Stamp { path, modified, length: metadata.len(), young };
    let same = |last: &Stamp| (&last.path, last.modified, last.length) == (&stamp.path, modified, stamp.length);
    if let Some((_, source)) = old.filter(|(last, _)| !last.young && same(last)) {
        return (stamp, source.clone());
    }
    let source = read_text(name, &stamp.path);
    (stamp, source)
}

fn read_text(name: &str, path: &Path) -> Result<Arc<str>, String> {
    check_file_name(name)?;
    let bytes = fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::from(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(format!("the file is not UTF-8 text from byte {at} on: keep other files outside of this folder"))
        }
    }
}

/// What a file of templates cannot be called.
pub(crate) fn check_file_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a template needs a name".into());
    }
    match name.chars().find(|c| *c == '#' || c.is_control() || *c == char::REPLACEMENT_CHARACTER) {
        Some('#') => Err("a file with # in its name cannot be loaded, since page.html#row is a partial".into()),
        Some(_) => Err("the name of the file is not printable UTF-8".into()),
        None => Ok(()),
    }
}
