-- The order in which jobs end, kept while somebody follows, and not at all else.

CREATE SEQUENCE {schema}.end_number;

-- Numbers are given before the commit: whoever finds one missing waits a moment for it.
CREATE TABLE {schema}.ended (
  n bigint PRIMARY KEY DEFAULT nextval('{schema}.end_number'),
  id uuid NOT NULL,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- It has been kept without a break after the number `since`, up to `dropped` it was thrown away, and it is kept `until`.
CREATE TABLE {schema}.followed (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  since bigint NOT NULL,
  dropped bigint NOT NULL,
  until timestamptz NOT NULL
);

-- As before, and the ends are kept for whoever follows: then the answer has the id of no job too, so that other processes
-- are told.
CREATE OR REPLACE FUNCTION {schema}.unwatch(_ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE watched uuid[];
BEGIN
  IF cardinality(_ids) > 0 AND EXISTS (SELECT FROM {schema}.followed f WHERE f.until > {schema}.now()) THEN
    INSERT INTO {schema}.ended (id) SELECT u.id FROM unnest(_ids) AS u(id) ORDER BY u.id;
    watched := ARRAY['00000000-0000-0000-0000-000000000000'::uuid];
  END IF;
  IF NOT EXISTS (SELECT FROM {schema}.watch) THEN RETURN watched; END IF;
  WITH gone AS (DELETE FROM {schema}.watch w WHERE w.id = ANY(_ids) RETURNING w.id)
  SELECT watched || array_agg(g.id) INTO watched FROM gone g;
  RETURN watched;
END $$;

-- As before; only those that were present have ended.
CREATE OR REPLACE FUNCTION {schema}.succeed(
  _ids uuid[], _runs bigint[], _starts timestamptz[], _values text[],
  OUT numbers integer[], OUT versions bigint[], OUT ended uuid[], OUT made_room boolean
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_nestloop = off
SET enable_mergejoin = off SET jit = off AS $$
DECLARE
  moment timestamptz := {schema}.now();
  present uuid[];
BEGIN
  WITH gone AS (
    DELETE FROM {schema}.running r
    USING unnest(_ids, _runs, _starts, _values) WITH ORDINALITY AS g(id, run, started_at, value, n)
    WHERE r.id = g.id AND r.run = g.run AND r.id = ANY(_ids)
    RETURNING g.n::integer AS n, g.started_at, g.value, r.id, r.claimed_at, r.worker, r.run, r.version + 1 AS version,
      r.stage, r.state, r.queue, r.task, r.keyed, r.limited
  ), kept AS (
    INSERT INTO {schema}.done
      (id, finished_at, claimed_at, started_at, worker, run, version, phase, stage, value, state)
    SELECT g.id, moment, g.claimed_at, g.started_at, g.worker, g.run, g.version, 7, g.stage, g.value, g.state
    FROM gone g
  ), freed AS (
    DELETE FROM {schema}.unique_key u WHERE u.job = ANY(ARRAY(SELECT g.id FROM gone g WHERE g.keyed))
  ), counted AS (
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT g.queue, g.task, 7, date_trunc('hour', moment, 'UTC'), count(*) FROM gone g GROUP BY g.queue, g.task
  )
  SELECT array_agg(g.n), array_agg(g.version), bool_or(g.limited), array_agg(g.id)
  INTO numbers, versions, made_room, present FROM gone g;
  ended := {schema}.unwatch(present);
END $$;

-- What is told of the ends after a number; `young` ones were written so lately that numbers before them may still come.
-- Asking keeps the order for as long as `_for`; with less than `_renewed` left that begins anew, with less than
-- `_doubtful` the order does.
CREATE FUNCTION {schema}.follow(_after bigint, _limit integer, _kept bigint, _for bigint, _renewed bigint, _doubtful bigint)
RETURNS TABLE (since bigint, dropped bigint, last bigint, numbers bigint[], ids uuid[], young boolean[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := {schema}.now();
  left_over interval;
BEGIN
  left_over := coalesce((SELECT f.until FROM {schema}.followed f) - moment, interval '0');
  IF left_over < _doubtful * interval '1 microsecond' THEN
    -- The break takes a number, so that whoever knows the last one learns of it.
    UPDATE {schema}.followed f
    SET since = nextval('{schema}.end_number'), until = moment + _for * interval '1 microsecond'
    WHERE f.until < moment + _doubtful * interval '1 microsecond';
    IF NOT FOUND THEN
      INSERT INTO {schema}.followed (since, dropped, until)
      SELECT s.n, s.n, moment + _for * interval '1 microsecond'
      FROM (SELECT CASE WHEN e.is_called THEN e.last_value ELSE 0 END AS n FROM {schema}.end_number e) s
      ON CONFLICT (one) DO NOTHING;
    END IF;
  ELSIF left_over < _renewed * interval '1 microsecond' THEN
    UPDATE {schema}.followed f SET until = moment + _for * interval '1 microsecond'
    WHERE f.until < moment + _renewed * interval '1 microsecond';
  END IF;
  SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO last FROM {schema}.end_number s;
  SELECT f.since, f.dropped INTO since, dropped FROM {schema}.followed f;
  IF last - dropped > _kept + _kept / 10 THEN
    DELETE FROM {schema}.ended e WHERE e.n <= last - _kept;
    UPDATE {schema}.followed f SET dropped = greatest(f.dropped, last - _kept) RETURNING f.dropped INTO dropped;
  END IF;
  SELECT array_agg(e.n), array_agg(e.id), array_agg(e.young) INTO numbers, ids, young FROM (
    SELECT o.n, o.id, o.written_at > clock_timestamp() - interval '2 seconds' AS young FROM {schema}.ended o
    WHERE o.n > greatest(_after, dropped) ORDER BY o.n LIMIT _limit) e;
  RETURN NEXT;
END $$;

-- As before, and the order of ends goes if nobody follows any more.
CREATE OR REPLACE FUNCTION {schema}.tidy() RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  DELETE FROM {schema}.pruned p WHERE p.n = ANY(ARRAY(
    SELECT o.n FROM {schema}.pruned o WHERE o.n <= (SELECT max(m.n) FROM {schema}.pruned m) - 1000000
    ORDER BY o.n LIMIT 10000));
  DELETE FROM {schema}.watch w WHERE w.until <= {schema}.now();
  DELETE FROM {schema}.request r WHERE r.key = ANY(ARRAY(
    SELECT o.key FROM {schema}.request o WHERE o.forgotten_at <= {schema}.now()
    ORDER BY o.forgotten_at LIMIT 10000 FOR UPDATE SKIP LOCKED));
  DELETE FROM {schema}.rate r WHERE r.next <= {schema}.now();
  IF EXISTS (SELECT FROM {schema}.limits l WHERE l.starts) THEN PERFORM {schema}.count_running(); END IF;
  IF NOT EXISTS (SELECT FROM {schema}.followed f WHERE f.until > {schema}.now()) THEN
    DELETE FROM {schema}.ended e WHERE e.n = ANY(ARRAY(SELECT o.n FROM {schema}.ended o ORDER BY o.n LIMIT 100000));
  END IF;
  PERFORM {schema}.fold();
END $$;
