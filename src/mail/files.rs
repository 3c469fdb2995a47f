//! Attachments as arguments of tasks: their bytes, or the name of a file that is read when the mail is sent.

use std::fs;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use super::error::MailProblem;
use super::spool::sha256;

/// The most bytes that the files of one mail have together; larger mail is taken by few servers.
pub(super) const MOST: u64 = 25 * 1024 * 1024;

/// An attachment, as an argument of a task. What it is made of is said by one of `text`, `content` and `file`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileArg {
    /// The name that it is saved under; without one, that of `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its type; without one, what its name says.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// The name by which the HTML shows it, `cid:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// Its bytes, if they are text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The path of a file in the folder of files of the mailer. It is read when the mail is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the file was when it was enqueued, which it must be when it is sent: the SHA-256 of its bytes, in hex. It is
    /// filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Why an attachment cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It is wrong, and stays so.
    #[error("{0}")]
    Wrong(MailProblem),
    /// The file cannot be read; later it may be.
    #[error("the file {} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
}

/// The attachments of these arguments, with the bytes of those that are files; `folder` is that of the mailer.
pub(super) fn attachments(args: &[FileArg], folder: Option<&Path>) -> Result<Vec<Attachment>, FileError> {
    let mut room = MOST;
    args.iter().enumerate().map(|(n, arg)| arg.attachment(n, folder, &mut room)).collect()
}

/// Writes down what the files are now, so that no other is sent in their place.
pub(super) fn seal(args: &mut [FileArg], attachments: &[Attachment]) {
    for (arg, attachment) in args.iter_mut().zip(attachments) {
        arg.sha256 = arg.file.is_some().then(|| sha256(&attachment.content));
    }
}

impl FileArg {
    fn attachment(&self, n: usize, folder: Option<&Path>, room: &mut u64) -> Result<Attachment, FileError> {
        let wrong =
            |key: &str, detail: String| FileError::Wrong(MailProblem::new(format!("attachments/{n}{key}"), detail));
        let content = match (&self.text, &self.content, &self.file) {
            (Some(text), None, None) => text.clone().into_bytes(),
            (None, Some(content), None) => STANDARD
                .decode(content)
                .map_err(|error| wrong("/content", format!("is no base64 ({error}); write text as \"text\"")))?,
            (None, None, Some(file)) => {
                let folder = folder.ok_or_else(|| {
                    let fix = "names a file, and this mailer has no folder of files; name it in its settings (files)";
                    wrong("/file", fix.into())
                })?;
                let folder = folder.canonicalize().map_err(|error| FileError::Unreadable(folder.to_owned(), error))?;
                let path = inside(&folder, file).map_err(|problem| wrong("/file", problem))?;
                read(&path, *room, |detail| wrong("/file", detail))?
            }
            _ => {
                let detail = "must have one of text, content (base64) and file; write one of them";
                return Err(wrong("", detail.into()));
            }
        };
        *room = room.checked_sub(content.len() as u64).ok_or_else(|| wrong("", too_large()))?;
        if self.sha256.as_ref().is_some_and(|then| *then != sha256(&content)) {
            return Err(wrong("/file", "is another file than when it was enqueued; enqueue the mail again".into()));
        }
        let named = self.name.clone().or_else(|| {
            let file = Path::new(self.file.as_ref()?).file_name()?;
            Some(file.to_string_lossy().into_owned())
        });
        if named.is_none() && self.content_id.is_none() {
            return Err(wrong("/name", "is missing; write the name that the file is saved under".into()));
        }
        Ok(Attachment { name: named, content, mime: self.mime.clone(), content_id: self.content_id.clone() })
    }
}

fn too_large() -> String {
    format!("makes the files of the mail larger than {} MiB together; send a link instead", MOST / 1024 / 1024)
}

fn read(path: &Path, room: u64, wrong: impl Fn(String) -> FileError) -> Result<Vec<u8>, FileError> {
    let unreadable = |error| FileError::Unreadable(path.to_owned(), error);
    let about = fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(wrong("is no file".into()));
    }
    if about.len() > room {
        return Err(wrong(too_large()));
    }
    fs::read(path).map_err(unreadable)
}

/// The file of that name in the folder, and nothing outside of it: neither by its name nor by a link.
fn inside(folder: &Path, file: &str) -> Result<PathBuf, String> {
    let path = Path::new(file);
    let is_plain =
        !file.is_empty() && !file.contains('\0') && path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain {
        return Err(format!(
            "is {file:?}; write the path of a file in the folder of files, such as \"invoices/17.pdf\""
        ));
    }
    let missing = |_| format!("is {file:?}, which is not in the folder of files");
    let path = folder.join(path).canonicalize().map_err(missing)?;
    if path.starts_with(folder) {
        Ok(path)
    } else {
        Err(format!("is {file:?}, which leads out of the folder of files"))
    }
}
