//! What `#[task]` refuses, and in which words: the cases stand in `tests/ui` of the workspace.
//!
//! `TRYBUILD=overwrite cargo test -p callboard-tasks --test ui` writes the expected messages anew; read the
//! difference before you keep it.

/// One test for all cases, so that they share one build of the crate.
#[test]
fn refusals_say_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("../tests/ui/*.rs");
}
