//! Says at the end of `cargo test` what it did not run, and the command for it. A test without a harness.

use std::path::Path;

fn main() {
    let full = std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full");
    if full {
        println!("\nall tests ran in their long versions");
    } else {
        println!(
            "\nnot run here: the long versions of the tests (100,000 jobs over HTTP, 500 kills on each store, 5,000 cases \
             of each property), lints, features, documentation\nto run them: ./ci.sh full"
        );
    }
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python").exists() {
        println!(
            "not run here: the comparison of templates and mail with Django, mail to aiosmtpd, schemathesis against the server\n\
             to run them: ci/python.sh && cargo test"
        );
    }
    if !has_browser() {
        println!(
            "not run here: the tests in a browser, because chromium or chromedriver is not in PATH\n\
             to run them: install both (Debian: apt-get install chromium chromium-driver)"
        );
    }
}

/// Whether the programs are there that the tests in a browser (`http/src/csp/tests/browser`) look for.
fn has_browser() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&paths).collect();
    let has = |names: &[&str]| names.iter().any(|name| folders.iter().any(|folder| folder.join(name).is_file()));
    has(&["chromium", "chromium-browser", "google-chrome"]) && has(&["chromedriver"])
}
