-- What every job goes through: enqueue, claim, success. Planner settings stand with the functions, so that they hold
-- behind a pooler too; without them a table that grows from empty can turn an index scan into a scan of everything. For
-- the same reason joins have their shape prescribed: `= ANY(ids)` beside a hash join, or `LATERAL .. OFFSET 0`, which is
-- a look-up for each row.

-- The slot of the tally that this connection writes.
CREATE FUNCTION {schema}.slot() RETURNS smallint LANGUAGE sql STABLE AS $$ SELECT (pg_backend_pid() % 16)::smallint $$;

-- Which of these are watched; they are not any more.
CREATE FUNCTION {schema}.unwatch(_ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE watched uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM {schema}.watch) THEN RETURN NULL; END IF;
  WITH gone AS (DELETE FROM {schema}.watch w WHERE w.id = ANY(_ids) RETURNING w.id)
  SELECT array_agg(g.id) INTO watched FROM gone g;
  RETURN watched;
END $$;

-- Keeps new jobs. Those that are `handed` to `_worker` are running at once, if it is registered and they are due;
-- `dues` is the latest time that a job of the same unit waits for. Tells whether the worker is registered, and the time.
CREATE FUNCTION {schema}.add(
  _ids uuid[], _enqueued timestamptz[], _run_after timestamptz[], _expires timestamptz[], _priorities smallint[],
  _tasks text[], _queues text[], _args text[], _metadata text[], _rare text[],
  _worker uuid, _handed boolean[], _dues timestamptz[]
) RETURNS TABLE (known boolean, moment timestamptz) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
  moment := {schema}.now();
  known := false;
  IF _worker IS NOT NULL THEN
    PERFORM FROM {schema}.worker w WHERE w.id = _worker FOR KEY SHARE;
    known := FOUND;
  END IF;
  INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
  SELECT * FROM unnest(
    _ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _args, _metadata, _rare);
  IF NOT known THEN
    INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task)
    SELECT n.id, greatest(n.enqueued, n.run_after), n.expires,
           CASE WHEN n.run_after > n.enqueued THEN 1 ELSE 2 END, -n.priority, n.queue, n.task
    FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues)
      AS n(id, enqueued, run_after, expires, priority, task, queue);
  ELSE
    INSERT INTO {schema}.running (id, worker, claimed_at, run, version, queue, task)
    SELECT n.id, _worker, moment, 1, 2, n.queue, n.task
    FROM unnest(_ids, _tasks, _queues, _handed, _dues) AS n(id, task, queue, handed, due)
    WHERE n.handed AND (n.due IS NULL OR n.due <= moment);
    INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task)
    SELECT n.id, greatest(n.enqueued, n.run_after), n.expires,
           CASE WHEN n.run_after > n.enqueued THEN 1 ELSE 2 END, -n.priority, n.queue, n.task
    FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _handed, _dues)
      AS n(id, enqueued, run_after, expires, priority, task, queue, handed, due)
    WHERE NOT (n.handed AND (n.due IS NULL OR n.due <= moment));
  END IF;
  RETURN NEXT;
END $$;

-- Ends jobs whose time was up before they started; those of them that are watched.
CREATE FUNCTION {schema}.expire(_moment timestamptz) RETURNS uuid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE ended uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM {schema}.waiting w WHERE w.expires_at <= _moment) THEN RETURN NULL; END IF;
  WITH gone AS (
    DELETE FROM {schema}.waiting d WHERE d.id = ANY(ARRAY(
      SELECT w.id FROM {schema}.waiting w WHERE w.expires_at <= _moment
      ORDER BY w.expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED))
    RETURNING d.*
  ), kept AS (
    INSERT INTO {schema}.done (id, finished_at, run, version, phase, stage, state)
    SELECT g.id, _moment, g.run, g.version + 1, 10, 0, g.state FROM gone g
  ), counted AS (
    INSERT INTO {schema}.tally AS t (queue, task, phase, hour, slot, jobs)
    SELECT g.queue, g.task, 10, date_trunc('hour', _moment, 'UTC'), {schema}.slot(), count(*) FROM gone g
    GROUP BY g.queue, g.task ORDER BY g.queue, g.task
    ON CONFLICT (queue, task, phase, hour, slot) DO UPDATE SET jobs = t.jobs + excluded.jobs
  )
  SELECT array_agg(g.id) INTO ended FROM gone g;
  RETURN {schema}.unwatch(ended);
END $$;

-- Makes jobs ready whose time has come.
CREATE FUNCTION {schema}.promote(_moment timestamptz) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
BEGIN
  IF EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at <= _moment) THEN
    UPDATE {schema}.waiting u SET phase = 2, version = u.version + 1 WHERE u.id = ANY(ARRAY(
      SELECT w.id FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at <= _moment
      ORDER BY w.at, w.id LIMIT 10000 FOR UPDATE SKIP LOCKED));
  END IF;
END $$;

-- The queues that have a ready job, in order, each found by one step in the index.
CREATE FUNCTION {schema}.ready_queues() RETURNS text[] LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  names text[] := '{}';
  next text COLLATE "C" := '';
BEGIN
  LOOP
    SELECT w.queue INTO next FROM {schema}.waiting w
    WHERE w.phase = 2 AND NOT w.suspect AND w.queue > next ORDER BY w.queue LIMIT 1;
    EXIT WHEN NOT FOUND;
    names := names || next;
  END LOOP;
  next := '';
  LOOP
    SELECT w.queue INTO next FROM {schema}.waiting w
    WHERE w.phase = 2 AND w.suspect AND w.queue > next ORDER BY w.queue LIMIT 1;
    EXIT WHEN NOT FOUND;
    IF next <> ALL(names) THEN names := names || next; END IF;
  END LOOP;
  RETURN names;
END $$;

-- Gives due jobs to a worker process: from each ready queue in turn its share, then the best of what is left. The last
-- row has no id; it tells when the next job is due, which queue was served last, and which watched jobs have expired.
CREATE FUNCTION {schema}.claim(
  _worker uuid, _limit integer, _queues text[], _most integer[], _after text, _batch bigint
) RETURNS TABLE (
  id uuid, enqueued_at timestamptz, run_after timestamptz, expires_at timestamptz, priority smallint, task text,
  queue text, args text, metadata text, rare text, run bigint, version bigint, state text,
  moment timestamptz, next_due timestamptz, last_queue text, ended uuid[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  known text[];
  names text[] := '{}';
  rooms integer[] := '{}';
  picked uuid[] := '{}';
  got uuid[];
  more uuid[];
  left_over boolean := false;
  alone boolean;
  share integer;
  want integer;
  took integer;
  name text COLLATE "C";
  n integer;
  _suspect uuid;
  _suspect_rank smallint;
  _suspect_at timestamptz;
  expired uuid[];
BEGIN
  moment := {schema}.now();
  SELECT t.tasks INTO known FROM {schema}.worker w LEFT JOIN {schema}.worker_tasks t ON t.worker = w.id
  WHERE w.id = _worker FOR KEY SHARE OF w;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  expired := {schema}.expire(moment);
  PERFORM {schema}.promote(moment);

  -- The queues in turn, each with how many it may give.
  SELECT coalesce(array_agg(q.name ORDER BY q.name <= _after COLLATE "C", q.name), '{}'),
         coalesce(array_agg(q.room ORDER BY q.name <= _after COLLATE "C", q.name), '{}') INTO names, rooms
  FROM (
    SELECT r.name COLLATE "C" AS name, CASE WHEN _queues IS NULL THEN _limit ELSE a.most END AS room
    FROM unnest({schema}.ready_queues()) AS r(name)
    LEFT JOIN unnest(_queues, _most) AS a(name, most) ON a.name = r.name
    WHERE NOT EXISTS (SELECT FROM {schema}.paused p WHERE p.queue = r.name)
  ) q WHERE q.room > 0 AND _limit > 0;

  alone := EXISTS (SELECT FROM {schema}.running r WHERE r.worker = _worker AND r.suspect)
    OR NOT EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect);
  share := greatest(1, _limit / greatest(1, cardinality(names)));
  last_queue := _after;

  FOR n IN 1 .. cardinality(names) LOOP
    name := names[n];
    want := least(share, rooms[n], _limit - cardinality(picked));
    EXIT WHEN want <= 0;
    got := '{}';
    _suspect := NULL;
    IF NOT alone THEN
      SELECT w.id, w.rank, w.at INTO _suspect, _suspect_rank, _suspect_at FROM {schema}.waiting w
      WHERE w.phase = 2 AND w.suspect AND w.queue = name AND w.task = ANY(known)
        AND (w.expires_at IS NULL OR w.expires_at > moment)
      ORDER BY w.rank, w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF _suspect IS NULL THEN
      got := ARRAY(
        SELECT w.id FROM {schema}.waiting w
        WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.task = ANY(known)
          AND (w.expires_at IS NULL OR w.expires_at > moment)
        ORDER BY w.rank, w.at, w.id LIMIT want FOR UPDATE SKIP LOCKED);
    ELSE
      got := ARRAY(
        SELECT w.id FROM {schema}.waiting w
        WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.task = ANY(known)
          AND (w.expires_at IS NULL OR w.expires_at > moment)
          AND (w.rank, w.at, w.id) < (_suspect_rank, _suspect_at, _suspect)
        ORDER BY w.rank, w.at, w.id LIMIT want FOR UPDATE SKIP LOCKED);
      IF cardinality(got) < want THEN
        got := got || _suspect;
        alone := true;
        got := got || ARRAY(
          SELECT w.id FROM {schema}.waiting w
          WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.task = ANY(known)
            AND (w.expires_at IS NULL OR w.expires_at > moment)
            AND (w.rank, w.at, w.id) > (_suspect_rank, _suspect_at, _suspect)
          ORDER BY w.rank, w.at, w.id LIMIT want - cardinality(got) FOR UPDATE SKIP LOCKED);
      END IF;
    END IF;
    took := cardinality(got);
    IF took > 0 THEN
      picked := picked || got;
      last_queue := name;
      rooms[n] := rooms[n] - took;
      left_over := left_over OR (took = want AND rooms[n] > 0);
    END IF;
  END LOOP;

  IF left_over AND cardinality(picked) < _limit THEN
    want := _limit - cardinality(picked);
    more := ARRAY(
      SELECT c.id FROM (
        SELECT x.* FROM unnest(names, rooms) AS q(name, room) CROSS JOIN LATERAL (
          SELECT w.id, w.rank, w.at FROM {schema}.waiting w
          WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q.name AND w.task = ANY(known)
            AND (w.expires_at IS NULL OR w.expires_at > moment) AND w.id <> ALL(picked)
          ORDER BY w.rank, w.at, w.id LIMIT least(q.room, want)
        ) x WHERE q.room > 0
        UNION ALL
        SELECT s.* FROM (
          SELECT w.id, w.rank, w.at FROM unnest(names, rooms) AS q(name, room)
          JOIN {schema}.waiting w ON w.queue = q.name AND w.phase = 2 AND w.suspect
          WHERE NOT alone AND q.room > 0 AND w.task = ANY(known) AND (w.expires_at IS NULL OR w.expires_at > moment)
          ORDER BY w.rank, w.at, w.id LIMIT 1
        ) s
      ) c ORDER BY c.rank, c.at, c.id LIMIT want);
    picked := picked || ARRAY(
      SELECT w.id FROM {schema}.waiting w WHERE w.id = ANY(more) AND w.phase = 2 FOR UPDATE SKIP LOCKED);
  END IF;

  IF cardinality(picked) > 0 THEN
    RETURN QUERY
    WITH gone AS (
      DELETE FROM {schema}.waiting w WHERE w.id = ANY(picked) RETURNING w.*
    ), kept AS (
      INSERT INTO {schema}.running (id, worker, claimed_at, run, version, batch, suspect, queue, task, state)
      SELECT g.id, _worker, moment, g.run + 1, g.version + 1, _batch, g.suspect, g.queue, g.task, g.state FROM gone g
    )
    SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, j.rare,
           g.run + 1, g.version + 1, g.state, moment, NULL::timestamptz, NULL::text, NULL::uuid[]
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM {schema}.job o WHERE o.id = g.id OFFSET 0) j;
  END IF;

  IF cardinality(picked) < _limit THEN
    SELECT w.at INTO next_due FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at > moment
    ORDER BY w.at LIMIT 1;
  END IF;
  id := NULL;
  ended := expired;
  RETURN NEXT;
END $$;

-- What a claim gave whose answer was lost. The lock waits for that claim, if it is still under way.
CREATE FUNCTION {schema}.reclaim(_worker uuid, _batch bigint) RETURNS TABLE (
  id uuid, enqueued_at timestamptz, run_after timestamptz, expires_at timestamptz, priority smallint, task text,
  queue text, args text, metadata text, rare text, run bigint, version bigint, state text, moment timestamptz,
  next_due timestamptz, last_queue text, ended uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM FROM {schema}.worker w WHERE w.id = _worker FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  RETURN QUERY
  SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, j.rare,
         r.run, r.version, r.state, r.claimed_at, NULL::timestamptz, NULL::text, NULL::uuid[]
  FROM {schema}.running r CROSS JOIN LATERAL (SELECT * FROM {schema}.job o WHERE o.id = r.id OFFSET 0) j
  WHERE r.worker = _worker AND r.batch = _batch AND r.stage = 0;
END $$;

-- Writes that runs came to a value, whatever was asked of them meanwhile; the numbers of those that were present with
-- their versions since. The row without a number names those that are watched.
CREATE FUNCTION {schema}.succeed(_ids uuid[], _runs bigint[], _starts timestamptz[], _values text[])
RETURNS TABLE (n integer, version bigint, ended uuid[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_nestloop = off
SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE moment timestamptz := {schema}.now();
BEGIN
  RETURN QUERY
  WITH gone AS (
    DELETE FROM {schema}.running r
    USING unnest(_ids, _runs, _starts, _values) WITH ORDINALITY AS g(id, run, started_at, value, n)
    WHERE r.id = g.id AND r.run = g.run AND r.id = ANY(_ids)
    RETURNING g.n, g.started_at, g.value, r.*
  ), kept AS (
    INSERT INTO {schema}.done
      (id, finished_at, claimed_at, started_at, worker, run, version, phase, stage, value, state)
    SELECT g.id, moment, g.claimed_at, g.started_at, g.worker, g.run, g.version + 1, 7, g.stage, g.value, g.state
    FROM gone g
  ), counted AS (
    INSERT INTO {schema}.tally AS t (queue, task, phase, hour, slot, jobs)
    SELECT g.queue, g.task, 7, date_trunc('hour', moment, 'UTC'), {schema}.slot(), count(*) FROM gone g
    GROUP BY g.queue, g.task ORDER BY g.queue, g.task
    ON CONFLICT (queue, task, phase, hour, slot) DO UPDATE SET jobs = t.jobs + excluded.jobs
  )
  SELECT g.n::integer, g.version + 1, NULL::uuid[] FROM gone g;
  n := NULL;
  ended := {schema}.unwatch(_ids);
  RETURN NEXT;
END $$;

-- The beat: renews a lease, and brings back what its process must know.
CREATE FUNCTION {schema}.beat(_worker uuid, _lease bigint)
RETURNS TABLE (moment timestamptz, lapsed boolean, due boolean, cancels uuid[], runs bigint[], peers uuid[],
               ends timestamptz[], next_due timestamptz, paused text[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE before timestamptz;
BEGIN
  moment := {schema}.now();
  SELECT w.lease_ends INTO before FROM {schema}.worker w WHERE w.id = _worker FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  UPDATE {schema}.worker w SET lease_ends = moment + _lease * interval '1 microsecond' WHERE w.id = _worker;
  lapsed := before <= moment;
  paused := ARRAY(SELECT p.queue FROM {schema}.paused p ORDER BY p.queue);
  due := EXISTS (SELECT FROM unnest({schema}.ready_queues()) AS r(name) WHERE r.name <> ALL(paused))
    OR EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at <= moment AND w.queue <> ALL(paused));
  SELECT array_agg(r.id), array_agg(r.run) INTO cancels, runs
  FROM {schema}.running r WHERE r.worker = _worker AND r.asked;
  SELECT array_agg(p.id ORDER BY p.lease_ends, p.id), array_agg(p.lease_ends ORDER BY p.lease_ends, p.id)
  INTO peers, ends
  FROM (SELECT w.id, w.lease_ends FROM {schema}.worker w WHERE w.id <> _worker
        ORDER BY w.lease_ends, w.id LIMIT 16) p;
  SELECT w.at INTO next_due FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at > moment ORDER BY w.at LIMIT 1;
  RETURN NEXT;
END $$;
