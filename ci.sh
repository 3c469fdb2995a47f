#!/usr/bin/env bash
# Checks everything, as people and CI do. Needs a Rust toolchain and Python; what the tests need beside these is
# installed once, where that can be done unasked, and named where it cannot (ci/tools.sh, ci/python.sh).
#
#   ./ci.sh         format, lints, dependencies, all tests, every combination of features, documentation
#   ./ci.sh full    the same with the long versions of the tests (more cases, more jobs, more kills), and fuzzing
set -euo pipefail
cd "$(dirname "$0")"

mode="${1:-quick}"
case "$mode" in
quick) export CALLBOARD_TEST=all ;;
full) export CALLBOARD_TEST=full PROPTEST_CASES=5000 ;;
*)
    echo "usage: ./ci.sh [full]" >&2
    exit 2
    ;;
esac
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

step() {
    echo
    echo "== $* ($(date +%H:%M:%S))"
}

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

step "dependencies"
ci/dependencies.py

step "what the tests need"
ci/tools.sh
ci/python.sh

step "tests"
cargo test --locked --workspace --all-features

step "features: none, each"
for features in "" sqlite postgres mail http cli; do
    cargo check --locked -p callboard --no-default-features --features "$features"
done
cargo check --locked -p callboard-tasks
cargo check --locked -p callboard-templates

step "beside other bindings of SQLite, and with the oldest of ours"
ci/sqlite-range.sh

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features

if [ "$mode" = full ]; then
    step "long tests, as release"
    # Naming one test leaves the examples out, which it starts.
    cargo build --locked --release -p callboard --examples
    cargo test --locked --release -p callboard --test it -- --include-ignored
fi

if [ "$mode" = full ]; then
    step "fuzzers"
    ci/fuzz.sh 60
fi

step "all is well"
