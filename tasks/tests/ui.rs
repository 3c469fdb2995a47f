//! What `#[task]` refuses, and in which words: the cases stand in `tests/ui` of the workspace.
//!
//! `TRYBUILD=overwrite cargo test -p callboard-tasks --test ui` writes the expected messages anew; read the
//! difference before you keep it.

use std::process::Command;

/// The compiler whose words stand in `tests/ui/compiler`. Those of the macro itself, in `tests/ui`, are the same
/// whatever the compiler.
const COMPILER: &str = "rustc 1.95.";

/// One test for all cases, so that they share one build of the crate.
#[test]
fn refusals_say_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("../tests/ui/*.rs");
    let version = compiler();
    if version.starts_with(COMPILER) {
        cases.compile_fail("../tests/ui/compiler/*.rs");
    } else {
        let all = std::env::var_os("CALLBOARD_TEST").is_some_and(|tests| tests == "all");
        assert!(!all, "tests/ui/compiler needs {COMPILER}x, this is {version}");
        eprintln!("not run: tests/ui/compiler, which needs {COMPILER}x and not {version}");
    }
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("whoever runs Cargo has a compiler");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
