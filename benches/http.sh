#!/usr/bin/env bash
# Measures the front end with wrk, beside a bare route of actix-web, all in turn in one run: POST /enqueue with each store,
# and what the Content Security Policy costs a page of 1 KiB.
#
#   benches/http.sh [ROUNDS [URL]]
#
#   ROUNDS   how often each is measured; default 5. Medians are printed at the end, as requests a second.
#   URL      a PostgreSQL server; default postgres://postgres@127.0.0.1/postgres
#
# In the environment: CALLBOARD the program (default target/release/callboard; build it before: cargo build --release),
# FLOOR the bare routes (default: cargo builds them), SECONDS_EACH (5), CONNECTIONS (64). Needs wrk.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds="${1:-5}"
url="${2:-postgres://postgres@127.0.0.1/postgres}"
callboard="$(realpath "${CALLBOARD:-target/release/callboard}")"
seconds="${SECONDS_EACH:-5}"
connections="${CONNECTIONS:-64}"
schema=callboard_bench_http
work="$(mktemp -d)"
running=()
end() {
    kill "${running[@]}" 2>/dev/null || true
    rm -r "$work"
    psql "$url" -qX -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" >/dev/null || true
}
trap end EXIT

cat >"$work/enqueue.lua" <<'LUA'
wrk.method = "POST"
wrk.body = '{"task":"demo.echo","args":{"value":{"n":123}}}'
wrk.headers["Content-Type"] = "application/json"
LUA

# Starts a server with these settings at a port, and waits until it answers.
serve() {
    mkdir "$work/$1"
    printf '[tasks.default]\n%s\n' "$3" >"$work/$1/callboard.toml"
    (cd "$work/$1" && exec "$callboard" --demo --bind "127.0.0.1:$2" >log 2>&1) &
    running+=($!)
    curl -sf --retry 20 --retry-connrefused --retry-delay 1 -o /dev/null "http://127.0.0.1:$2/healthz"
}

# What the kernel has not written of one measure yet would be a part of the next.
measure() {
    sync
    [ "${3:-}" != enqueue ] || set -- "$1" "$2" -s "$work/enqueue.lua"
    wrk -t1 "-c$connections" "-d${seconds}s" --latency "${@:3}" "$2" >"$work/out"
    ! grep -q 'Non-2xx' "$work/out" || { echo "$1: $(grep 'Non-2xx' "$work/out")" >&2 && exit 1; }
    awk -v name="$1" '/^ +99%/ { late = $2 } /^Requests\/sec/ { print name, $2, late }' "$work/out" | tee -a "$work/all"
}

if [ -z "${FLOOR:-}" ]; then
    built="$(cargo bench --quiet --no-run -p callboard --bench http_floor --message-format=json)"
    FLOOR="$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' <<<"$built")"
fi
"$FLOOR" 8099 &
running+=($!)
curl -sf --retry 20 --retry-connrefused --retry-delay 1 -o /dev/null http://127.0.0.1:8099/plain
for ((round = 0; round < rounds; round++)); do
    measure bare http://127.0.0.1:8099/enqueue enqueue
    port=8100
    for store in memory sqlite postgres; do
        case $store in
        memory) settings='backend = "memory"' ;;
        sqlite) settings='backend = "sqlite"' ;;
        postgres) settings="url = \"$url\"
schema = \"$schema\"" ;;
        esac
        port=$((port + 1))
        serve "$store$round" $port "$settings"
        measure "$store" "http://127.0.0.1:$port/enqueue" enqueue
        kill "${running[-1]}" && wait "${running[-1]}" || true
        unset 'running[-1]'
    done
    for page in plain policy nonce all; do measure "page-$page" "http://127.0.0.1:8099/$page"; done
done

echo
echo "medians of $rounds"
for name in bare memory sqlite postgres page-plain page-policy page-nonce page-all; do
    median="$(awk -v name="$name" '$1 == name { print $2 }' "$work/all" | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }')"
    [ "$name" != bare ] || bare="$median"
    [ "$name" != page-plain ] || plain="$median"
    case $name in page-*) of="$plain" ;; *) of="$bare" ;; esac
    awk -v name="$name" -v median="$median" -v of="$of" 'BEGIN { printf "%-12s %8.0f /s  %5.1f %%\n", name, median, 100 * median / of }'
done
