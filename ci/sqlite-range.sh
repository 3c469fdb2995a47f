#!/usr/bin/env bash
# Only one crate of a program may link SQLite, so the version of rusqlite is a range: a program that has sqlx or diesel
# must still resolve, and the lowest version must still compile. Checks both.
#
#   ci/sqlite-range.sh            resolves a program of each kind, then checks the lowest rusqlite
#   ci/sqlite-range.sh resolve    only resolves
#
# Asks the registry if it can be reached; else uses what cargo has kept.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
what="${1:-all}"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# A program that depends on callboard and on one other library: name, line of that library.
program() {
    mkdir -p "$work/$1/src"
    echo 'fn main() {}' >"$work/$1/src/main.rs"
    cat >"$work/$1/Cargo.toml" <<TOML
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
callboard = { path = "$root", default-features = false, features = ["sqlite"] }
$2

[workspace]
TOML
}

# Resolves a program; first as the registry is now, then as cargo remembers it.
resolve() {
    (cd "$work/$1" && { cargo generate-lockfile "${@:2}" >log 2>&1 || cargo generate-lockfile --offline "${@:2}" >log 2>&1; })
}

chosen() {
    awk -v name="\"$2\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3 }' "$work/$1/Cargo.lock"
}

program sqlx08 'sqlx = { version = "0.8", default-features = false, features = ["sqlite"] }'
program sqlx09-postgres 'sqlx = { version = "0.9", features = ["postgres"] }'
program sqlx09 'sqlx = { version = "0.9", default-features = false, features = ["sqlite"] }'
program diesel 'diesel = { version = "2.3", features = ["sqlite"] }'
program nobody ''

failed=0
printf '%-16s %-10s %s\n' "beside" "rusqlite" "libsqlite3-sys"
for name in sqlx08 sqlx09-postgres sqlx09 diesel nobody; do
    if resolve "$name"; then
        # Keeps what it takes to do this without the registry next time.
        (cd "$work/$name" && cargo fetch --quiet 2>/dev/null) || true
        printf '%-16s %-10s %s\n' "$name" "$(chosen "$name" rusqlite)" "$(chosen "$name" libsqlite3-sys)"
    else
        echo "$name does not resolve:" >&2
        cat "$work/$name/log" >&2
        failed=1
    fi
done
if [ "$failed" = 1 ]; then
    echo "widen the range of rusqlite in Cargo.toml" >&2
    exit 1
fi
[ "$what" = resolve ] && exit 0

# The lowest version; the highest is what the workspace itself is built with.
lowest="$(sed -n 's/^rusqlite = .*version = ">=\([0-9.]*\).*/\1/p' Cargo.toml)"
cd "$work/nobody"
cargo update -p rusqlite --precise "$lowest" 2>log || cargo update --offline -p rusqlite --precise "$lowest" 2>log || {
    cat log >&2
    exit 1
}
echo "checking with rusqlite $(chosen nobody rusqlite)"
export CARGO_TARGET_DIR="$root/target/sqlite-range"
cargo check --locked --quiet || cargo check --locked --offline --quiet
echo "the range holds"
