//! Each example prints what its first lines promise.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::run;

/// The lines that the head of an example promises: those indented under the line that starts with `Prints`. They
/// are compared as a set, because what runs beside prints in any order.
fn promised(name: &str) -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.rs"));
    let source = std::fs::read_to_string(&source).expect("the example is there");
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let prints = head.skip_while(|line| !line.starts_with(" Prints")).skip(1);
    prints.map_while(|line| line.strip_prefix("     ")).map(str::to_owned).collect()
}

/// The built example. Cargo builds all examples before it runs this test, beside the binary.
pub fn built(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_callboard"));
    binary.parent().expect("it lies in a folder").join("examples").join(name)
}

fn prints_what_it_promises(name: &str, arguments: &[&str]) {
    let promised = promised(name);
    assert!(!promised.is_empty(), "the head of {name} promises nothing");
    let mut example = Command::new(built(name));
    example.args(arguments).stdin(Stdio::null());
    let ran = run(example);
    assert_eq!(ran.code, 0, "{name} failed: {}", ran.stderr);
    let printed: BTreeSet<String> = ran.stdout.lines().map(str::to_owned).collect();
    assert_eq!(printed, promised, "{name} does not print what it promises");
}

#[test]
fn log_message_prints_what_it_promises() {
    prints_what_it_promises("log_message", &[]);
}

#[test]
fn immediate_prints_what_it_promises() {
    prints_what_it_promises("immediate", &[]);
}

#[test]
fn register_user_prints_what_it_promises() {
    prints_what_it_promises("register_user", &["--once"]);
}

#[test]
fn embed_actors_prints_what_it_promises() {
    prints_what_it_promises("embed_actors", &[]);
}

#[test]
fn axum_or_tokio_prints_what_it_promises() {
    prints_what_it_promises("axum_or_tokio", &[]);
}

#[test]
fn custom_backend_prints_what_it_promises() {
    prints_what_it_promises("custom_backend", &[]);
}

#[test]
fn csp_prints_what_it_promises() {
    prints_what_it_promises("csp", &["--once"]);
}

#[test]
fn embed_http_prints_what_it_promises() {
    prints_what_it_promises("embed_http", &["--once"]);
}

#[test]
fn every_example_is_checked_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let here = include_str!("examples.rs");
    for file in std::fs::read_dir(folder).expect("there are examples") {
        let path = file.expect("it can be listed").path();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(here.contains(&format!("fn {name}_prints_what_it_promises")), "{name} is not checked");
    }
}
