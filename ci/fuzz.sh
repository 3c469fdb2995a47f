#!/usr/bin/env bash
# Fuzzes what reads the bytes of clients (http/src/fuzzing.rs) with libFuzzer, beginning from tests/corpus. Needs a C++
# compiler beside Rust; a stable compiler will do.
#
#   ci/fuzz.sh [SECONDS] [TARGET...]    each target for so long (60); all targets unless some are named
#
# What breaks a rule is left in target/fuzz/found. Copy it to tests/corpus/TARGET: the tests replay it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-60}"
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
    for folder in tests/corpus/*/; do targets+=("$(basename "$folder")"); done
fi

# What cargo-fuzz passes, without a sanitizer: those need an unstable compiler, and watch over unsafe code, of which there
# is none.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    RUSTFLAGS+=" -Cllvm-args=-sanitizer-coverage-$option"
done
export RUSTFLAGS
# The flags are for what is fuzzed, not for build scripts and macros: those are told apart by naming the target.
host="$(rustc -vV | sed -n 's/^host: //p')"
# What is fuzzed is built with the very versions of the workspace.
cp Cargo.lock fuzz/Cargo.lock
cargo build --manifest-path fuzz/Cargo.toml --target "$host" --target-dir target/fuzz

mkdir -p target/fuzz/found
for target in "${targets[@]}"; do
    echo "-- $target, for $seconds s"
    mkdir -p "target/fuzz/corpus/$target"
    log="target/fuzz/$target.log"
    if ! "target/fuzz/$host/debug/$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=2048 \
        -artifact_prefix="target/fuzz/found/$target-" "target/fuzz/corpus/$target" "tests/corpus/$target" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "$target broke a rule; what it was fed with is in target/fuzz/found" >&2
        exit 1
    fi
    tail -n 1 "$log"
done
