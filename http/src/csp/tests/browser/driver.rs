//! Starts a browser, drives it, and ends it whatever happens.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::super::DEADLINE;

/// Where the programs are.
pub(crate) struct Programs {
    chromium: PathBuf,
    chromedriver: PathBuf,
}

/// The programs; `None` if one is missing and that is no failure. `tests/left_out.rs` of the whole looks for the same.
pub(crate) fn programs() -> Option<Programs> {
    let find = |names: &[&str]| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
            .find(|path| path.is_file())
    };
    let chromium = find(&["chromium", "chromium-browser", "google-chrome"]);
    match (chromium, find(&["chromedriver"])) {
        (Some(chromium), Some(chromedriver)) => Some(Programs { chromium, chromedriver }),
        _ => {
            let mode = std::env::var("CALLBOARD_TEST").unwrap_or_default();
            assert!(
                mode != "all" && mode != "full",
                "CALLBOARD_TEST={mode} runs the tests in a browser, and chromium or chromedriver is not in PATH; \
                 install both (Debian: apt-get install chromium chromium-driver), or leave CALLBOARD_TEST away"
            );
            None
        }
    }
}

/// A browser with a profile of its own.
pub(crate) struct Browser {
    client: Client,
    // Ended in this order.
    _driver: Driver,
    _profile: Profile,
}

impl Browser {
    pub(crate) async fn start(programs: &Programs) -> Self {
        let profile = Profile::new();
        let (driver, port) = Driver::start(&programs.chromedriver).await;
        let user_data = format!("--user-data-dir={}", profile.0.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &user_data,
        ];
        let options = json!({"binary": programs.chromium, "args": arguments});
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, _driver: driver, _profile: profile }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// Clicks an element, once it is there.
    pub(crate) async fn click(&self, selector: &str) {
        self.until(selector).await;
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Waits for a page that has such an element.
    pub(crate) async fn until(&self, selector: &str) {
        let begun = Instant::now();
        let there = format!("return document.querySelector({selector:?}) !== null");
        while self.js(&there).await != true {
            assert!(begun.elapsed() < DEADLINE, "no page has {selector}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The colour in which an element is shown.
    pub(crate) async fn color(&self, selector: &str) -> String {
        let script = format!("return getComputedStyle(document.querySelector({selector:?})).color");
        self.client.execute(&script, Vec::new()).await.unwrap().as_str().unwrap().to_owned()
    }

    /// What a script returns.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn close(&self) {
        self.client.clone().close().await.unwrap();
    }
}

/// A profile in a folder that goes with it.
struct Profile(PathBuf);

impl Profile {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("callboard-browser-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // The browser may write its last files yet.
        let begun = Instant::now();
        while std::fs::remove_dir_all(&self.0).is_err() && self.0.exists() && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The program that drives the browser, first of a group of processes to which the browser belongs: they end together.
struct Driver(Child);

impl Driver {
    async fn start(program: &Path) -> (Self, u16) {
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0);
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let driver = Self(child);
        let reading = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(output).lines();
            let port = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
            // It must be able to go on writing.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            port
        });
        let port = tokio::time::timeout(DEADLINE, reading).await.expect("chromedriver says nothing").unwrap();
        (driver, port.expect("chromedriver ended without saying its port"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
        if !killed.is_ok_and(|status| status.success()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}
