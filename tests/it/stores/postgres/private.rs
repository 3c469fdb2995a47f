//! A server of our own: it can be stopped and started again, and given a certificate.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callboard::store::postgres::{PostgresOptions, PostgresStore};
use callboard::{Backend, Callboard, Status, task, tasks};
use futures::executor::block_on;

use super::server::{answers, free_port, is_root, programs, run};
use crate::support::Folder;

/// A server with its data in a folder of its own; it ends with this.
pub struct Private {
    programs: PathBuf,
    folder: Folder,
    port: u16,
    settings: Vec<String>,
    process: Child,
}

/// The server refuses to run as root.
fn command(programs: &Path, program: &str) -> Command {
    let path = programs.join(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(path);
    command
}

fn give(path: &Path) {
    if is_root() {
        assert!(Command::new("chown").args(["-R", "postgres"]).arg(path).status().unwrap().success());
    }
}

impl Private {
    /// `prepare` may put files into the folder, and gives settings of the server.
    pub fn start(prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let programs = programs().expect("the programs of a PostgreSQL server (Debian: apt-get install postgresql)");
        let (folder, port) = (Folder::new(), free_port());
        let settings = prepare(folder.path());
        give(folder.path());
        let made = command(&programs, "initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let process = Self::spawn(&programs, folder.path(), port, &settings);
        let server = Self { programs, folder, port, settings, process };
        server.until_it_answers();
        server
    }

    fn spawn(programs: &Path, folder: &Path, port: u16, settings: &[String]) -> Child {
        let mut server = command(programs, "postgres");
        server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(folder);
        server.args(settings.iter().flat_map(|setting| ["-c", setting]));
        server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn until_it_answers(&self) {
        let begin = Instant::now();
        while !answers(&self.url("")) {
            assert!(begin.elapsed() < Duration::from_secs(30), "the server does not answer");
            std::thread::yield_now();
        }
    }

    /// How a store on it is opened.
    pub fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.url(""))
    }

    fn url(&self, parameters: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres{parameters}", self.port)
    }

    /// Ends it without a farewell, as a machine that loses its power, and starts it again.
    fn break_down_and_come_back(&mut self) {
        let quit = Command::new("kill").arg("-QUIT").arg(self.process.id().to_string()).status().unwrap();
        assert!(quit.success());
        self.process.wait().unwrap();
        self.process = Self::spawn(&self.programs, self.folder.path(), self.port, &self.settings);
        self.until_it_answers();
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-QUIT").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// Gives back what it is given, and counts how often.
#[task(name = "private.echo", register = false)]
async fn echo(runs: callboard::Data<AtomicUsize>, n: u64) -> u64 {
    runs.fetch_add(1, Ordering::Relaxed);
    n
}

#[test]
fn a_server_that_is_started_again_in_the_midst_of_work_loses_nothing() {
    const JOBS: usize = 600;
    let mut server = Private::start(|_| Vec::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let board = runtime.block_on(async {
        let backend = Backend::open(PostgresOptions::new(server.url("")));
        let builder = Callboard::builder().backend("default", backend).tasks(tasks![echo]);
        builder.data_arc(Arc::clone(&runs)).start().await.unwrap()
    });
    let accepted = Arc::new(AtomicUsize::new(0));
    let producers: Vec<_> = (0..8)
        .map(|_| {
            let (board, accepted) = (board.clone(), Arc::clone(&accepted));
            runtime.spawn(async move {
                let mut ids = Vec::new();
                while accepted.load(Ordering::Relaxed) < JOBS {
                    let n = accepted.load(Ordering::Relaxed) as u64;
                    match board.enqueue(echo::with(n)).await {
                        Ok(result) => {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            ids.push((result.id(), n));
                        }
                        // It was refused while the server was away; nothing was promised.
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
                ids
            })
        })
        .collect();
    for share in [1, 2] {
        let begin = Instant::now();
        while accepted.load(Ordering::Relaxed) < share * JOBS / 3 {
            assert!(begin.elapsed() < Duration::from_secs(60), "{} were accepted", accepted.load(Ordering::Relaxed));
            std::thread::yield_now();
        }
        server.break_down_and_come_back();
    }
    runtime.block_on(async {
        for producer in producers {
            for (id, n) in producer.await.unwrap() {
                let result = board.get(id).await.unwrap().wait(Duration::from_secs(60)).await.unwrap();
                assert_eq!(result.status(), Status::Successful);
                assert_eq!(result.return_value().unwrap().as_u64(), Some(n));
            }
        }
        board.shutdown().await;
    });
    assert!(runs.load(Ordering::Relaxed) >= JOBS);
}

/// A certificate for 127.0.0.1 that it vouches for itself, and its key.
fn certify(folder: &Path) -> Vec<String> {
    let (key, certificate) = (folder.join("server.key"), folder.join("server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes certificates (Debian: apt-get install openssl)");
    let file = |name: &str, path: &Path| format!("{name}={}", path.display());
    vec!["ssl=on".into(), file("ssl_cert_file", &certificate), file("ssl_key_file", &key)]
}

#[test]
fn connections_are_encrypted_as_the_url_says() {
    let server = Private::start(certify);
    let root = server.folder.path().join("server.crt");
    let open = |parameters: &str| block_on(PostgresStore::open(PostgresOptions::new(server.url(parameters))));
    let encrypted = || {
        let sql = "SELECT bool_and(s.ssl), count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                   WHERE a.application_name = 'callboard'";
        let row = run(&server.url(""), sql).remove(0);
        assert_eq!(row[1].as_deref(), Some("t"), "somebody is connected");
        row[0].as_deref() == Some("t")
    };
    for (parameters, expected) in [
        ("?sslmode=disable", false),
        ("", true),
        ("?sslmode=require", true),
        (&format!("?sslmode=verify-full&sslrootcert={}", root.display()), true),
    ] {
        let store = open(parameters).unwrap_or_else(|error| panic!("{parameters}: {error}"));
        let worker = super::world::register(&store);
        super::world::put(&store, &super::world::spec());
        assert_eq!(super::world::claim(&store, worker, 1).len(), 1);
        assert_eq!(encrypted(), expected, "{parameters}");
        block_on(callboard::store::Store::close(&store));
        super::world::until("its connections have ended", || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callboard'";
            run(&server.url(""), sql)[0][0].as_deref() == Some("0")
        });
    }
    // The system's roots do not know who vouches for it.
    let error = open("?sslmode=verify-full").unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}
