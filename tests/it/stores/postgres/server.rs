//! Where the PostgreSQL server of these tests is: the one in `CALLBOARD_TEST_POSTGRES`, else one on this machine, else
//! one that is started here.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use callboard::store::postgres::PostgresOptions;
use parking_lot::Mutex;
use tokio_postgres::NoTls;

/// The URL of the server.
///
/// # Panics
///
/// If there is none and none can be started; the message says what to do.
pub fn server() -> &'static str {
    static URL: LazyLock<String> = LazyLock::new(find);
    &URL
}

fn find() -> String {
    if let Ok(url) = std::env::var("CALLBOARD_TEST_POSTGRES") {
        assert!(answers(&url), "CALLBOARD_TEST_POSTGRES={url} does not answer");
        return url;
    }
    let here = ["postgres", "root"].map(|user| format!("postgres://{user}@127.0.0.1:5432/postgres"));
    here.into_iter().find(|url| answers(url)).unwrap_or_else(start)
}

pub fn answers(url: &str) -> bool {
    let connect = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
        let drive = tokio::spawn(connection);
        client.simple_query("SELECT 1").await.ok()?;
        drive.abort();
        Some(())
    };
    block_on(async { tokio::time::timeout(Duration::from_secs(5), connect).await.ok().flatten().is_some() })
}

/// Runs something that needs tokio, wherever the caller is.
pub fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
        scope.spawn(run).join().unwrap()
    })
}

/// Runs statements on a connection of their own.
pub fn run(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let drive = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap();
        drive.abort();
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect())
            }
            _ => None,
        });
        rows.collect()
    })
}

/// Options for a schema that nobody else has.
pub fn fresh(url: &str) -> PostgresOptions {
    let mut options = PostgresOptions::new(url);
    options.schema = format!("t{}", uuid::Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).simple());
    options
}

/// A database of its own on the same server, for what would be in the way of others in a shared one.
pub struct Database(String);

impl Database {
    pub fn create() -> Self {
        let name = fresh(server()).schema;
        run(server(), &format!("CREATE DATABASE {name}"));
        Self(name)
    }

    pub fn url(&self) -> String {
        let mut config: tokio_postgres::Config = server().parse().unwrap();
        config.dbname(&self.0);
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
            panic!("these tests need a server by TCP");
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        format!("postgres://{}@{host}:{port}/{}", config.get_user().unwrap(), self.0)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(server(), &format!("DROP DATABASE {} WITH (FORCE)", self.0));
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Starts a server of our own from the installed programs.
fn start() -> String {
    const HELP: &str = "there is no PostgreSQL server for these tests: start one on 127.0.0.1:5432 that trusts the user \
                        `postgres`, or name one in CALLBOARD_TEST_POSTGRES=postgres://user@host/database, or install \
                        the server's programs (`apt-get install postgresql`)";
    let programs = programs().expect(HELP);
    let home = std::env::temp_dir().join(format!("callboard-test-postgres-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let (data, port) = (home.join("data"), free_port());
    // The server refuses to run as root.
    let user = if is_root() { "postgres" } else { "" };
    if !user.is_empty() {
        assert!(Command::new("chown").arg(user).arg(&home).status().unwrap().success(), "{HELP}");
    }
    let command = |program: &str| {
        let path = programs.join(program);
        if user.is_empty() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(path);
        command
    };
    let made = command("initdb")
        .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"])
        .arg(&data)
        .stdout(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "{HELP}");
    let mut server = command("postgres");
    server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(&home);
    server.stdout(Stdio::null()).stderr(Stdio::null());
    keep(server.spawn().expect(HELP));
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let begin = Instant::now();
    while !answers(&url) {
        assert!(begin.elapsed() < Duration::from_secs(30), "{HELP}; the one that was started does not answer");
        std::thread::yield_now();
    }
    url
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Where `initdb` is: in the path, or where distributions put it.
pub fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<_> =
            versions.filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin"))).collect();
        versions.sort();
        places.extend(versions.into_iter().rev());
    }
    places.into_iter().find(|place| Path::new(&place.join("initdb")).exists() && place.join("postgres").exists())
}

/// A transaction of somebody else's, which is open until it is told to end.
pub struct Held {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Held {
    pub fn begin(url: &str, sql: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        let mut held = Self { runtime, client };
        held.run("BEGIN");
        held.run(sql);
        held
    }

    pub fn run(&mut self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    pub fn commit(mut self) {
        self.run("COMMIT");
    }
}

/// Keeps a program running as long as these tests do. What is static is never dropped, so a small script waits until this
/// process has gone, and then ends it.
pub fn keep(program: Child) {
    static RUNNING: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let (us, it) = (std::process::id(), program.id());
    let script = format!("while kill -0 {us} 2>/dev/null; do sleep 1; done; kill {it}");
    let mut watcher = Command::new("sh");
    watcher.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    RUNNING.lock().extend([program, watcher.spawn().unwrap()]);
}
