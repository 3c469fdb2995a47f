//! Says at the end of `cargo test` what it did not run, and the command for it. A test without a harness.

fn main() {
    if std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full") {
        println!("\nall tests ran in their long versions");
    } else {
        println!(
            "\nnot run here: the long versions of the tests (100,000 jobs over HTTP, 5,000 cases of each property), \
             lints, features, documentation\nto run them: ./ci.sh full"
        );
    }
}
