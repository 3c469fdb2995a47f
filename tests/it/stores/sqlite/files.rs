//! Opening a file: what can be wrong with it, and how it is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use callboard::store::OpenError;
use callboard::store::sqlite::{SqliteOptions, SqliteStore, migrate, migrations, status};
use callboard::store::{Lookup, Store, StoreError};
use futures::executor::block_on;
use rusqlite::Connection;

use super::support::{put, spec, unit};
use crate::support::{Folder, wait_until};

/// What opening this file is refused with.
#[track_caller]
fn refused(file: impl AsRef<Path>) -> OpenError {
    SqliteStore::open(SqliteOptions::new(file.as_ref())).expect_err("it cannot be opened")
}

#[track_caller]
fn says(error: &OpenError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{text:?} says nothing of {word:?}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    let folder = Folder::new();
    says(&refused(folder.path().join("no/jobs.db")), &["/no does not exist", "make that directory", "jobs.db"]);
    folder.write("file", "");
    says(&refused(folder.path().join("file/jobs.db")), &["/file is not a directory"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    says(&refused(folder.path()), &["is a directory", "name a file in it"]);
    says(&refused(":memory:"), &["memory backend"]);
    says(&refused(""), &["not the name of a file"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = "This is a letter, not a database. ".repeat(100);
    folder.write("letter.db", &text);
    let file = folder.path().join("letter.db");
    says(&refused(&file), &["letter.db", "is not an SQLite database"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn what_is_made_is_for_its_owner_alone_and_what_is_there_keeps_its_rights() {
    let folder = Folder::new();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("jobs.db"))).unwrap();
    put(&store, spec());
    for name in ["jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db-lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let shared = folder.path().join("shared.db");
    fs::write(&shared, "").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o660)).unwrap();
    drop(SqliteStore::open(SqliteOptions::new(&shared)).unwrap());
    assert_eq!(mode("shared.db"), 0o660);
}

/// Where only reading is allowed, that is said; root may write anywhere, so somebody else tries.
#[test]
fn a_file_that_cannot_be_written_is_refused() {
    const VARIABLE: &str = "CALLBOARD_TEST_READ_ONLY";
    if let Some(folder) = std::env::var_os(VARIABLE) {
        let folder = Path::new(&folder);
        says(&refused(folder.join("open/jobs.db")), &["jobs.db", "cannot be written", "permissions"]);
        says(&refused(folder.join("closed/jobs.db")), &["jobs.db-lock", "cannot be written"]);
        println!("both are refused");
        return;
    }
    let folder = Folder::new();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for name in ["open", "closed"] {
        let inner = folder.path().join(name);
        fs::create_dir(&inner).unwrap();
        let store = SqliteStore::open(SqliteOptions::new(inner.join("jobs.db"))).unwrap();
        block_on(store.close());
        fs::remove_file(inner.join("jobs.db-lock")).unwrap();
        mode(&inner.join("jobs.db"), 0o444);
    }
    mode(&folder.path().join("open"), 0o777);
    mode(&folder.path().join("closed"), 0o555);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "stores::sqlite::files::a_file_that_cannot_be_written_is_refused", "--nocapture"]);
    child.env(VARIABLE, folder.path());
    let root = fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    if root {
        child.uid(65_534).gid(65_534);
    }
    let ran = child.output().unwrap();
    mode(&folder.path().join("closed"), 0o755);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("both are refused"), "{said}");
}

/// A page in the middle that is no page: what touches it fails and says so, and nothing else is lost.
#[test]
fn a_damaged_file_is_told() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    let ids: Vec<_> = (0..500).map(|_| put(&store, spec())).collect();
    block_on(store.close());
    let mut bytes = fs::read(&file).unwrap();
    let start = bytes.len() / 4096 / 2 * 4096;
    bytes[start..].fill(0xa5);
    fs::write(&file, bytes).unwrap();

    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    let found = ids.iter().map(|id| block_on(store.get(vec![*id])));
    let errors: Vec<_> = found.filter_map(Result::err).collect();
    assert!(!errors.is_empty(), "half of the file is gone");
    for error in errors {
        let StoreError::Unavailable(why) = error else { panic!("{error:?}") };
        assert!(why.to_string().contains("damaged"), "{why}");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    block_on(SqliteStore::open(SqliteOptions::new(&file)).unwrap().close());
    let by_hand = Connection::open(&file).unwrap();
    by_hand.execute("INSERT INTO callboard_migrations VALUES (99, 'wonders', 'x', 0)", []).unwrap();
    let newer = refused(&file);
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer:?}");
    says(&newer, &["schema version 99", "upgrade this program"]);
    assert!(matches!(migrate(&file), Err(OpenError::Newer { .. })));
    assert!(matches!(status(&file), Err(OpenError::Newer { .. })));
}

#[test]
fn an_altered_step_is_refused() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    migrate(&file).unwrap();
    Connection::open(&file).unwrap().execute("UPDATE callboard_migrations SET checksum = 'x'", []).unwrap();
    let altered = refused(&file);
    assert!(matches!(altered, OpenError::Altered { version: 1, .. }), "{altered:?}");
}

#[test]
fn the_schema_can_be_made_and_told_before_a_store_is_opened() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    assert_eq!(status(&file).unwrap().pending.len(), migrations().len());
    assert!(!file.exists(), "a look makes no file");
    assert_eq!(migrate(&file).unwrap().len(), migrations().len());
    assert_eq!(migrate(&file).unwrap().len(), 0);
    let now = status(&file).unwrap();
    assert_eq!((now.applied.len(), now.pending.len()), (migrations().len(), 0));
    SqliteStore::open(SqliteOptions::new(&file)).unwrap();
}

/// Tables of the application's own stand beside ours.
#[test]
fn the_file_may_be_the_applications_own() {
    let folder = Folder::new();
    let file = folder.path().join("app.db");
    let app = Connection::open(&file).unwrap();
    app.execute_batch("CREATE TABLE jobs (id INTEGER); INSERT INTO jobs VALUES (1)").unwrap();
    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    put(&store, spec());
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'callboard\\_%' ESCAPE '\\' AND name <> 'jobs'
                AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    assert_eq!(app.query_row(ours, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "all of ours have our prefix");
    assert_eq!(app.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn ten_at_once_make_one_schema() {
    for _ in 0..5 {
        let folder = Folder::new();
        let file = folder.path().join("jobs.db");
        let start = Barrier::new(10);
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    start.wait();
                    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
                    put(&store, spec());
                });
            }
        });
        let connection = Connection::open(&file).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM callboard_migrations"), migrations().len() as i64);
        assert_eq!(count("SELECT count(*) FROM callboard_jobs"), 10);
    }
}

/// What was given to it before is answered; afterwards everything fails, and the file is whole and alone.
#[test]
fn a_closed_store_has_answered_and_takes_nothing_more() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    let job = spec();
    let id = job.id;
    let placed = store.enqueue(vec![unit(job)]);
    block_on(store.close());
    block_on(store.close());
    assert!(block_on(placed)[0].is_ok());
    let after = block_on(store.enqueue(vec![unit(spec())]));
    let Err(StoreError::Unavailable(why)) = &after[0] else { panic!("{after:?}") };
    assert!(why.to_string().contains("closed"), "{why}");
    assert!(block_on(store.get(vec![id])).is_err());
    assert!(!folder.path().join("jobs.db-wal").exists(), "the log is saved and gone");
    let again = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    assert!(matches!(block_on(again.get(vec![id])).unwrap()[0], Lookup::Found(_)));
}

/// Where processes die soon after their start, again and again, and another one keeps the file open, nobody else would
/// ever save it: it would grow, and whoever reads would read all of it.
#[test]
fn the_log_of_one_who_died_is_saved_by_the_next_before_it_writes_anything() {
    let (alive, dead) = (Folder::new(), Folder::new());
    let (from, to) = (alive.path().join("jobs.db"), dead.path().join("jobs.db"));
    block_on(SqliteStore::open(SqliteOptions::new(&from)).unwrap().close());
    let connection = Connection::open(&from).unwrap();
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE mine (b)").unwrap();
    connection.execute("INSERT INTO mine VALUES (zeroblob(1000000))", []).unwrap();
    // What a power cut would leave behind at this moment.
    fs::copy(&from, &to).unwrap();
    fs::copy(alive.path().join("jobs.db-wal"), dead.path().join("jobs.db-wal")).unwrap();
    let length = || fs::metadata(&to).unwrap().len();
    assert!(length() < 1_000_000, "it is in the log alone");

    let next = SqliteStore::open(SqliteOptions::new(&to)).unwrap();
    wait_until("the log is saved", || (length() > 1_000_000).then_some(()));
    block_on(next.close());
}
