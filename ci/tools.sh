#!/usr/bin/env bash
# Sees that the programs are there that the tests need beside Rust and Python: a PostgreSQL server, PgBouncer, Chromium
# with its driver, strace, openssl. What is missing is installed where that can be done unasked (Debian, as root), once; anywhere
# else this says what to install. With everything in place it needs no network.
set -euo pipefail

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
postgres() {
    [ -n "${CALLBOARD_TEST_POSTGRES:-}" ] || (exec 3<>/dev/tcp/127.0.0.1/5432) 2>/dev/null || has postgres ||
        compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

missing=()
postgres || missing+=(postgresql)
has pgbouncer || missing+=(pgbouncer)
has chromium || has chromium-browser || has google-chrome || missing+=(chromium)
has chromedriver || missing+=(chromium-driver)
has strace || missing+=(strace)
has openssl || missing+=(openssl)
[ ${#missing[@]} -gt 0 ] || exit 0

echo "to be installed: ${missing[*]}"
if [ "$(id -u)" != 0 ] || ! has apt-get; then
    echo "the tests need these programs; install them (the names are Debian's packages): ${missing[*]}" >&2
    exit 1
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# Only what is here already may be meant by an old list of packages, so the list is made new.
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "could not be installed: ${missing[*]}" >&2
    exit 1
fi
