//! Says at the end of `cargo test` what it did not run, and the command for it. A test without a harness.

use std::path::Path;

fn main() {
    let full = std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full");
    if full {
        println!("\nall tests ran in their long versions");
    } else {
        println!(
            "\nnot run here: the long versions of the tests (100,000 jobs over HTTP, 5,000 cases of each property), \
             lints, features, documentation\nto run them: ./ci.sh full"
        );
    }
    // With CALLBOARD_TEST it is a failure of that test.
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python").exists() {
        println!("\nnot run here: the comparison of templates with Django\nto run it: ci/python.sh && cargo test");
    }
}
