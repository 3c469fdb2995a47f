//! Starts servers, asks them, and stops them. Nothing here waits without a deadline.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::Value;

/// How long anything may take that is no test of time.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks `what` again and again until it gives something, and panics with `wish` after the deadline.
#[track_caller]
pub fn wait_until<T>(wish: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = what() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {wish}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A client that speaks as plainly as a program does. Its requests end within 40 s.
pub fn http() -> Client {
    static TLS: Once = Once::new();
    // The client is built with TLS, for which it wants a provider, even where it never uses it.
    TLS.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().timeout(Duration::from_secs(40)).no_proxy().build().unwrap()
}

/// A folder of its own for one test, gone with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("callboard-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with these arguments, in that folder, knowing nothing of the environment of the tests.
pub fn callboard(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CALLBOARD") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied());
    command
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end, which must come within the deadline.
#[track_caller]
pub fn run(mut command: Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (Text::of(child.stdout.take().unwrap()), Text::of(child.stderr.take().unwrap()));
    let status = wait_for(&mut child, || format!("{command:?}\n{}{}", stdout.so_far(), stderr.so_far()));
    Ran { code: status.code().unwrap_or(-1), stdout: stdout.whole(), stderr: stderr.whole() }
}

#[track_caller]
fn wait_for(child: &mut Child, say: impl Fn() -> String) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it did not end within {DEADLINE:?}: {}", say());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a process writes, read along by a thread so that it never blocks.
struct Text {
    so_far: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Text {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let so_far = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&so_far);
        let reader = thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = into.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { so_far, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.so_far.lock().unwrap().clone()
    }

    /// All of it; only for a process that has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

/// A running server; it is killed when the test is over.
pub struct Server {
    child: Child,
    stdout: Text,
    stderr: Text,
    /// Where it is, `http://127.0.0.1:40123`.
    pub url: String,
    /// The folder it was started in.
    pub folder: Arc<Folder>,
    http: Client,
}

impl Server {
    /// A server without settings on a port of its own: memory, demo tasks.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_in(Arc::new(Folder::new()), &[], &[])
    }

    /// A server in that folder with these arguments and variables; its port is its own unless they name one.
    #[track_caller]
    pub fn start_in(folder: Arc<Folder>, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let own_port: &[&str] = if arguments.contains(&"--bind") { &[] } else { &["--bind", "127.0.0.1:0"] };
        let command = callboard(&folder, &[arguments, own_port].concat(), variables);
        Self::spawn(folder, command, "listening on ")
    }

    /// A worker process in that folder with these arguments, which says on a port of its own how it is.
    #[track_caller]
    pub fn worker(folder: &Arc<Folder>, arguments: &[&str]) -> Self {
        let fixed = ["worker", "--demo", "--health-bind", "127.0.0.1:0"];
        let command = callboard(folder, &[&fixed[..], arguments].concat(), &[]);
        Self::spawn(Arc::clone(folder), command, "health at ")
    }

    #[track_caller]
    fn spawn(folder: Arc<Folder>, mut command: Command, place: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Text::of(child.stdout.take().unwrap()), Text::of(child.stderr.take().unwrap()));
        let mut server = Self { child, stdout, stderr, url: String::new(), folder, http: http() };
        server.url = wait_until("the server says where it listens", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", server.stderr.so_far());
            }
            let text = server.stdout.so_far();
            let (_, rest) = text.split_once(place)?;
            Some(rest.split_whitespace().next()?.trim_end_matches("/readyz").to_owned())
        });
        server
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// A request to that path, to be sent with [`send`].
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    /// The answer to a GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        send(self.request("GET", path))
    }

    /// The answer to a POST of that JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        send(self.request("POST", path).json(body))
    }

    /// Enqueues a call, which must be accepted, and gives its id.
    #[track_caller]
    pub fn enqueue(&self, body: &Value) -> String {
        let reply = self.post("/enqueue", body);
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// The task once its phase is that one.
    #[track_caller]
    pub fn until_phase(&self, id: &str, phase: &str) -> Value {
        wait_until(&format!("task {id} is {phase}"), || {
            Some(self.get(&format!("/tasks/{id}")).json()).filter(|task| task["phase"] == phase)
        })
    }

    /// The task once it has finished.
    #[track_caller]
    pub fn until_finished(&self, id: &str) -> Value {
        wait_until(&format!("task {id} has finished"), || {
            Some(self.get(&format!("/tasks/{id}?wait=5")).json()).filter(|task| task["is_finished"] == true)
        })
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, `"TERM"`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success(), "kill -{name} failed");
    }

    /// Waits until it has ended by itself; all that it wrote has been read then.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let Self { child, stderr, .. } = self;
        let status = wait_for(child, || stderr.so_far());
        self.stdout.whole();
        self.stderr.whole();
        status
    }

    /// Runs a verb of the command line against it.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        run(callboard(&self.folder, arguments, &[("CALLBOARD_URL", &self.url)]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header, which must be there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().unwrap()
    }
}

/// Sends a request and reads the whole answer.
#[track_caller]
pub fn send(request: RequestBuilder) -> Reply {
    let response = request.send().unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().unwrap() }
}
