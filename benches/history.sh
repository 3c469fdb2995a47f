#!/usr/bin/env bash
# Measures whether history slows the PostgreSQL store down: the same claims and the same `callboard bench` in two
# schemas, one empty and one with ROWS finished jobs, in turn, in one run.
#
#   benches/history.sh [URL [SCHEMA [ROWS]]]
#
#   URL      a server; default postgres://postgres@127.0.0.1/postgres
#   SCHEMA   makes and drops SCHEMA_empty and SCHEMA_full; default callboard_history
#   ROWS     finished jobs; default 10000000, which take some 3.2 GB, beside write-ahead log
#
# In the environment: CALLBOARD the program (default target/release/callboard), ROUNDS the claims of each size (40),
# JOBS the jobs of a bench (20000; 0 for none), KEEP=1 to leave the schemas for another run, which then fills
# what is missing, LOCK a file that is locked around each step (flock), where the machine is shared.
#
# The goal is a ratio of at most 1.3 between full and empty. A claim is timed inside the server, without its commit.
set -euo pipefail

url="${1:-postgres://postgres@127.0.0.1/postgres}"
schema="${2:-callboard_history}"
rows="${3:-10000000}"
callboard="${CALLBOARD:-$(dirname "$0")/../target/release/callboard}"
rounds="${ROUNDS:-40}"
jobs="${JOBS:-20000}"
chunk=500000
sizes=(100 512)
work="$(mktemp -d)"

locked() { if [ -n "${LOCK:-}" ]; then flock "$LOCK" "$@"; else "$@"; fi; }
sql() { PGOPTIONS="-c client_min_messages=warning" locked psql "$url" -qXAt -v ON_ERROR_STOP=1 "$@"; }
end() {
    rm -r "$work"
    [ -n "${KEEP:-}" ] || sql -c "DROP SCHEMA IF EXISTS ${schema}_empty CASCADE" -c "DROP SCHEMA IF EXISTS ${schema}_full CASCADE"
}
trap end EXIT

for which in empty full; do
    printf '[tasks.default]\nbackend = "postgres"\nurl = "%s"\nschema = "%s"\n' "$url" "${schema}_$which" >"$work/$which.toml"
    "$callboard" migrate up --config "$work/$which.toml" >/dev/null
done

# History: jobs that succeeded within the last 20 hours, in the order of their UUIDv7, so that nothing is due to be
# pruned. The upkeep would have vacuumed what it wrote; so does this.
full="${schema}_full"
filled="$(sql -c "SELECT coalesce(sum(jobs), 0) FROM $full.tally WHERE task = 'shop.send_receipt'")"
if ((filled < rows)); then
    since="$(($(date +%s) - 72000))"
    for ((first = filled; first < rows; first += chunk)); do
        last=$((first + chunk < rows ? first + chunk : rows))
        sql <<SQL
SET synchronous_commit = off;
BEGIN;
CREATE TEMP TABLE life ON COMMIT DROP AS
SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')
               || '8' || substr(md5(n::text), 1, 15))::uuid AS id
FROM (SELECT n, to_timestamp($since + n * 72000.0 / $rows) AS at FROM generate_series($first::bigint, $last - 1) AS n) s;
INSERT INTO $full.job (id, enqueued_at, priority, task, queue, args)
SELECT id, at, 0, 'shop.send_receipt', 'default', '{"n":' || n || '}' FROM life;
INSERT INTO $full.done (id, finished_at, claimed_at, started_at, worker, run, version, phase, stage, value)
SELECT id, at + interval '3 ms', at + interval '1 ms', at + interval '2 ms', '01900000-0000-7000-8000-000000000000',
       1, 3, 7, 0, n::text FROM life;
INSERT INTO $full.tally (queue, task, phase, hour, jobs)
SELECT 'default', 'shop.send_receipt', 7, date_trunc('hour', at + interval '3 ms', 'UTC'), count(*)
FROM life GROUP BY 4;
COMMIT;
SQL
    done
    sql -c "VACUUM (ANALYZE) $full.job" -c "VACUUM (ANALYZE) $full.done" -c "VACUUM (ANALYZE) $full.tally"
fi
sql -c "CHECKPOINT"

echo "tables of $full:"
sql -F ' ' <<SQL
SELECT '  ' || rpad(c.relname, 12), lpad(pg_size_pretty(pg_table_size(c.oid)), 9), 'rows,',
       lpad(pg_size_pretty(pg_indexes_size(c.oid)), 9), 'indexes,', c.reltuples::bigint, 'rows'
FROM pg_class c WHERE c.relnamespace = '$full'::regnamespace AND c.relkind = 'r' AND c.relname IN ('job', 'done', 'tally')
ORDER BY pg_total_relation_size(c.oid) DESC;
SELECT '  bytes a finished job: ' || sum(pg_total_relation_size(c.oid)) / $rows FROM pg_class c
WHERE c.relnamespace = '$full'::regnamespace AND c.relkind = 'r';
SQL

# Claims: both schemas get the same jobs, then they claim in turn, each claim in a transaction of its own.
{
    echo "CREATE TEMP TABLE took (which text, size integer, ms float8);"
    for which in empty full; do
        s="${schema}_$which"
        echo "INSERT INTO $s.worker VALUES ('01900000-0000-7000-8000-000000000001', now() + interval '1 hour') ON CONFLICT DO NOTHING;"
        echo "INSERT INTO $s.worker_tasks VALUES ('01900000-0000-7000-8000-000000000001', '{bench.claim}') ON CONFLICT DO NOTHING;"
        echo "SELECT count($s.enqueue('bench.claim', json_build_object('n', n), 'history', notify => false)) FROM generate_series(1, $((rounds * (${sizes[0]} + ${sizes[1]}) + ${sizes[1]}))) AS n \\g /dev/null"
        echo "VACUUM (ANALYZE) $s.waiting;"
    done
    for ((round = 0; round < rounds; round++)); do
        for size in "${sizes[@]}"; do
            for which in empty full; do
                s="${schema}_$which"
                cat <<SQL
DO \$\$ DECLARE t0 timestamptz; t1 timestamptz; n bigint; BEGIN
  t0 := clock_timestamp();
  SELECT count(c.id) INTO n FROM $s.claim('01900000-0000-7000-8000-000000000001', $size, NULL, NULL, '', NULL) c;
  t1 := clock_timestamp();
  IF n <> $size THEN RAISE EXCEPTION 'claimed % of $size', n; END IF;
  INSERT INTO took VALUES ('$which', $size, extract(epoch FROM t1 - t0) * 1000);
END \$\$;
SQL
            done
        done
    done
    cat <<SQL
SELECT '  ' || f.size || ' a claim: empty', round(e.p50::numeric, 2), 'ms, full', round(f.p50::numeric, 2), 'ms, ratio',
       round((f.p50 / e.p50)::numeric, 2), '(p90', round(e.p90::numeric, 2), 'and', round(f.p90::numeric, 2), 'ms)'
FROM (SELECT size, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.9) WITHIN GROUP (ORDER BY ms) AS p90
      FROM took WHERE which = 'empty' GROUP BY size) e
JOIN (SELECT size, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.9) WITHIN GROUP (ORDER BY ms) AS p90
      FROM took WHERE which = 'full' GROUP BY size) f USING (size) ORDER BY f.size;
SQL
} >"$work/claims.sql"
echo "claims, median of $rounds:"
sql -F ' ' -f "$work/claims.sql"

echo "buffers of a claim of ${sizes[1]}:"
for which in empty full; do
    s="${schema}_$which"
    echo "  $which:" "$(sql -c BEGIN -c "EXPLAIN (ANALYZE, BUFFERS, TIMING off, SUMMARY off)
        SELECT * FROM $s.claim('01900000-0000-7000-8000-000000000001', ${sizes[1]}, NULL, NULL, '', NULL)" -c ROLLBACK |
        grep -m1 -o 'shared hit.*')"
done
# What was claimed goes, so that a bench has the store to itself.
for which in empty full; do
    s="${schema}_$which"
    sql -c "WITH r AS (DELETE FROM $s.running RETURNING id), w AS (DELETE FROM $s.waiting RETURNING id)
            DELETE FROM $s.job WHERE id = ANY(ARRAY(SELECT id FROM r UNION ALL SELECT id FROM w))" \
        -c "DELETE FROM $s.worker" -c "DELETE FROM $s.worker_tasks" -c "VACUUM $s.waiting" -c "VACUUM $s.running"
done

if [ "$jobs" != 0 ]; then
    echo "callboard bench of $jobs jobs:"
    for round in 1 2 3; do
        for which in empty full; do
            echo "  $which: $(locked "$callboard" bench --config "$work/$which.toml" --jobs "$jobs" --json)"
        done
    done
fi
