//! PgBouncer in transaction mode between the store and the server, started by the tests.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::server::{free_port, is_root, keep, server};

/// The URL of the pooler.
///
/// # Panics
///
/// If it is not installed or does not start; the message says what to do.
pub fn pooler() -> &'static str {
    static URL: LazyLock<String> = LazyLock::new(start);
    &URL
}

fn start() -> String {
    const HELP: &str = "these tests need PgBouncer: `apt-get install pgbouncer`";
    let config: tokio_postgres::Config = server().parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("{HELP}, and a server by TCP") };
    let (server_port, port) = (config.get_ports().first().copied().unwrap_or(5432), free_port());
    let user = config.get_user().unwrap();
    let password = config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
    let home = std::env::temp_dir().join(format!("callboard-test-pgbouncer-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let (ini, users) = (home.join("pgbouncer.ini"), home.join("users.txt"));
    std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
    let settings = format!(
        "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\nmax_client_conn = 500\n\
         default_pool_size = 20\nlogfile = {}\n",
        users.display(),
        home.join("log").display()
    );
    std::fs::write(&ini, settings).unwrap();
    let program =
        ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
            .expect(HELP);
    let mut command = Command::new(program);
    if is_root() {
        // It refuses to run as root.
        assert!(Command::new("chown").args(["-R", "postgres"]).arg(&home).status().unwrap().success(), "{HELP}");
        command.args(["-u", "postgres"]);
    }
    let mut child = command.arg(&ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect(HELP);
    let database = config.get_dbname().unwrap_or("postgres");
    let url = format!("postgres://{user}@127.0.0.1:{port}/{database}");
    let begin = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(10) && child.try_wait().unwrap().is_none(),
            "{HELP}; it did not start"
        );
        std::thread::yield_now();
    }
    keep(child);
    url
}
