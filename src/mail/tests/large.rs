//! Mail that is too large for a job, and files that are named and not given.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use crate::mail::spool::{self, Spooled};

/// A folder of its own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("callboard-mail-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mailer(options: MailerOptions) -> Mailer {
    Mailers::builder().mailer("default", options.from("shop@example.com")).build().unwrap().default().unwrap()
}

fn large() -> Email {
    Email::new("Report").to("ann@example.com").attach(Attachment::new("report.pdf", vec![7; 300_000]))
}

#[test]
fn a_large_mail_needs_a_spool_and_the_error_says_so() {
    let problem = |options, mail: &Email| match mailer(options).call(mail).unwrap_err() {
        MailError::Invalid(InvalidMail(problems)) => problems[0].to_string(),
        other => panic!("{other}"),
    };
    let told = problem(MailerOptions::new(Transport::Memory), &large());
    assert!(told.starts_with("attachments make a mail of 4") && told.contains("(spool)"), "{told}");
    let folder = Folder::new("most");
    let huge = Email::new("x").to("ann@example.com").attach(Attachment::new("a", vec![0; 40 * 1024 * 1024]));
    let told = problem(MailerOptions::new(Transport::Memory).spool(&folder.0), &huge);
    assert!(told.contains("at most 52428800 are sent"), "{told}");
    assert!(names(&folder.0).is_empty());
}

#[test]
fn a_spooled_mail_is_one_private_file_named_by_its_content() {
    let folder = Folder::new("spool");
    let spool = folder.0.join("spool");
    let mailer = mailer(MailerOptions::new(Transport::Memory).spool(&spool));
    let call = mailer.call(&large()).unwrap();
    let [name] = <[String; 1]>::try_from(names(&spool)).unwrap();
    assert!(call.args_json().unwrap().len() < 1_000, "the job only names it");
    assert!(call.args_json().unwrap().contains(name.strip_suffix(".eml").unwrap()));
    let source = fs::read(spool.join(&name)).unwrap();
    let spooled = spool::put(&spool, &source).unwrap();
    assert_eq!(spool::get(&spool, &spooled).unwrap(), source);
    assert_eq!(names(&spool), std::slice::from_ref(&name), "the same mail is the same file, and no part is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&spool), mode(&spool.join(&name))), (0o700, 0o600));
    }
    let small = mailer.call(&Email::new("x").to("ann@example.com").text("Hi.")).unwrap();
    assert!(small.args_json().unwrap().contains("Hi."), "a small one is in its job");
    assert_eq!(names(&spool).len(), 1);
}

#[test]
fn a_spooled_mail_that_was_changed_or_is_named_wrongly_is_not_sent() {
    let folder = Folder::new("changed");
    let spooled = spool::put(&folder.0, b"Subject: x\r\n\r\nx").unwrap();
    fs::write(folder.0.join(format!("{}.eml", spooled.sha256)), b"Subject: y\r\n\r\ny").unwrap();
    assert!(spool::get(&folder.0, &spooled).unwrap_err().to_string().contains("is not what it was"));
    fs::write(folder.0.join("secret.eml"), b"x").unwrap();
    for name in ["secret", "../secret", "/etc/passwd", &"A".repeat(64)] {
        assert!(spool::get(&folder.0, &Spooled { sha256: name.into(), bytes: 1 }).is_err(), "{name}");
    }
}

#[test]
fn mails_that_nobody_asked_for_in_forty_days_are_cleared_away_and_nothing_else() {
    let folder = Folder::new("sweep");
    let old = spool::put(&folder.0, b"old").unwrap();
    let young = spool::put(&folder.0, b"young").unwrap();
    fs::write(folder.0.join("notes.eml"), b"x").unwrap();
    let day = Duration::from_secs(24 * 3600);
    let age = |spooled: &Spooled, days| {
        let file = fs::File::options().append(true).open(folder.0.join(format!("{}.eml", spooled.sha256))).unwrap();
        file.set_modified(SystemTime::now() - day * days).unwrap();
    };
    age(&old, 41);
    age(&young, 39);
    spool::sweep(&folder.0, SystemTime::now());
    assert!(spool::get(&folder.0, &old).is_err());
    spool::get(&folder.0, &young).unwrap();
    assert_eq!(names(&folder.0).len(), 2, "{:?}", names(&folder.0));
    spool::sweep(&folder.0, SystemTime::now() + day * 39);
    spool::get(&folder.0, &young).expect("whoever reads it keeps it");
}

/// What these attachments are, or the problem with its field.
fn given(folder: Option<&Path>, args: serde_json::Value) -> Result<Vec<Attachment>, String> {
    let args: Vec<FileArg> = serde_json::from_value(args).map_err(|error| error.to_string())?;
    crate::mail::files::attachments(&args, folder).map_err(|error| error.to_string())
}

#[test]
fn an_attachment_is_text_or_bytes_or_the_name_of_a_file() {
    let folder = Folder::new("files");
    fs::create_dir(folder.0.join("invoices")).unwrap();
    fs::write(folder.0.join("invoices/17.pdf"), b"%PDF").unwrap();
    let files = given(
        Some(&folder.0),
        serde_json::json!([
            {"name": "a.csv", "text": "a,b\n"},
            {"name": "b", "content": "AAEC", "type": "image/png", "content_id": "logo@shop"},
            {"file": "invoices/17.pdf"},
            {"file": "invoices/17.pdf", "name": "Invoice.pdf"},
        ]),
    )
    .unwrap();
    let told: Vec<_> =
        files.iter().map(|file| (file.name.as_deref().unwrap(), file.mime_type(), file.content.len())).collect();
    assert_eq!(
        told,
        [
            ("a.csv", "text/csv".into(), 4),
            ("b", "image/png".into(), 3),
            ("17.pdf", "application/pdf".into(), 4),
            ("Invoice.pdf", "application/pdf".into(), 4)
        ]
    );
    assert_eq!(files[1].content_id.as_deref(), Some("logo@shop"));
}

#[test]
fn a_file_outside_of_the_folder_and_one_that_is_not_there_are_refused_with_the_field() {
    let folder = Folder::new("outside");
    let inside = folder.0.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(folder.0.join("secret"), b"x").unwrap();
    let wrong =
        |file: &str| given(Some(&inside), serde_json::json!([{"text": "x", "name": "x"}, {"file": file}])).unwrap_err();
    for file in ["../secret", "/etc/passwd", "a/../../secret", "", "a\0b", "./../secret"] {
        let told = wrong(file);
        assert!(told.starts_with("attachments/1/file is") && told.contains("write the path of a file"), "{told}");
    }
    assert!(wrong("nothing.pdf").contains("is not in the folder of files"));
    fs::create_dir(inside.join("sub")).unwrap();
    assert!(wrong("sub").contains("is no file"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.0.join("secret"), inside.join("link")).unwrap();
        assert!(wrong("link").contains("leads out of the folder"));
    }
    let no_folder = given(None, serde_json::json!([{"file": "a"}])).unwrap_err();
    assert!(no_folder.contains("no folder of files"), "{no_folder}");
    for (args, told) in [
        (serde_json::json!([{"name": "a"}]), "attachments/0 must have one of text, content (base64) and file"),
        (serde_json::json!([{"name": "a", "text": "a", "content": "AA=="}]), "attachments/0 must have one of"),
        (serde_json::json!([{"name": "a", "content": "ä"}]), "attachments/0/content is no base64"),
        (serde_json::json!([{"text": "a"}]), "attachments/0/name is missing"),
        (serde_json::json!([{"text": "a", "nmae": "a"}]), "unknown field `nmae`"),
    ] {
        let error = given(Some(&inside), args).unwrap_err();
        assert!(error.contains(told), "no {told:?} in {error}");
    }
}

#[test]
fn the_files_of_a_mail_have_a_limit_together() {
    let folder = Folder::new("limit");
    let file = fs::File::create(folder.0.join("large")).unwrap();
    file.set_len(13 * 1024 * 1024).unwrap();
    let error = given(Some(&folder.0), serde_json::json!([{"file": "large"}, {"file": "large"}])).unwrap_err();
    assert_eq!(
        error,
        "attachments/1/file makes the files of the mail larger than 25 MiB together; send a link instead"
    );
}

#[test]
fn files_need_a_spool_since_their_mail_may_be_queued_again() {
    let folder = Folder::new("needs-spool");
    let options = MailerOptions { files: Some(folder.0.clone()), ..MailerOptions::new(Transport::Memory) };
    let error = Mailers::builder().mailer("default", options).build().unwrap_err();
    assert_eq!(error.option, "spool");
}
