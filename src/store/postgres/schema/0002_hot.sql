-- What every job goes through: enqueue, claim, success. Planner settings stand with the functions, so that they hold
-- behind a pooler too; without them a table that grows from empty can turn an index scan into a scan of everything. For
-- the same reason joins have their shape prescribed: `= ANY(ids)` beside a hash join, or `LATERAL .. OFFSET 0`, which is
-- a look-up for each row.

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
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT g.queue, g.task, 10, date_trunc('hour', _moment, 'UTC'), count(*) FROM gone g GROUP BY g.queue, g.task
  )
  SELECT array_agg(g.id) INTO ended FROM gone g;
  RETURN {schema}.unwatch(ended);
END $$;

-- Makes jobs ready whose time has come. Given when lines begin (see `heads`), it tells when they begin since.
CREATE FUNCTION {schema}.promote(
  _moment timestamptz, _queues text[] DEFAULT NULL, _ranks smallint[] DEFAULT NULL, _ats timestamptz[] DEFAULT NULL
) RETURNS timestamptz[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE earlier timestamptz[];
BEGIN
  IF EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at <= _moment) THEN
    WITH ready AS (
      UPDATE {schema}.waiting u SET phase = 2, version = u.version + 1 WHERE u.id = ANY(ARRAY(
        SELECT w.id FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at <= _moment
        ORDER BY w.at, w.id LIMIT 10000 FOR UPDATE SKIP LOCKED))
      RETURNING u.queue, u.rank, u.at
    ), first AS (
      SELECT r.queue, r.rank, min(r.at) - interval '1 microsecond' AS at FROM ready r GROUP BY r.queue, r.rank
    )
    SELECT array_agg(least(h.at, f.at) ORDER BY h.n) INTO earlier
    FROM unnest(_queues, _ranks, _ats) WITH ORDINALITY AS h(queue, rank, at, n)
    LEFT JOIN first f ON f.queue = h.queue COLLATE "C" AND f.rank = h.rank;
    RETURN coalesce(earlier, _ats);
  END IF;
  RETURN _ats;
END $$;

-- How many entries of the line this transaction has stepped over so far, dead ones too.
CREATE FUNCTION {schema}.stepped() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(pg_stat_get_xact_tuples_returned('{schema}.waiting_line'::regclass), 0)
$$;

-- The queues that have a ready job, in order, each found by one step in the index. In the line of a queue and rank it
-- begins behind its head (`_heads`, see `heads`), if that has one.
CREATE FUNCTION {schema}.ready_queues(_queues text[], _ranks smallint[], _ats timestamptz[], _ids uuid[])
RETURNS text[] LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  names text[] := '{}';
  lines integer := coalesce(cardinality(_queues), 0);
  n integer := 1;
  q text COLLATE "C" := '';
  -- No name is as great as "~".
  until_q text COLLATE "C";
  found_q text COLLATE "C";
  r smallint;
  a timestamptz;
  i uuid;
  is_ready boolean;
BEGIN
  LOOP
    until_q := CASE WHEN n <= lines THEN _queues[n] ELSE '~' END;
    SELECT w.queue INTO found_q FROM {schema}.waiting w
    WHERE w.phase = 2 AND NOT w.suspect AND w.queue > q AND w.queue < until_q ORDER BY w.queue LIMIT 1;
    IF FOUND THEN
      q := found_q;
      names := names || q;
      CONTINUE;
    END IF;
    EXIT WHEN n > lines;
    -- A queue whose lines have heads: before them, between them, and behind the last one. An upper bound is of one
    -- column, for the scan would not stop at one of several.
    q := until_q;
    r := -1000;
    a := '-infinity';
    i := '00000000-0000-0000-0000-000000000000';
    is_ready := false;
    WHILE n <= lines AND _queues[n] = q LOOP
      is_ready := is_ready OR EXISTS (
        SELECT FROM {schema}.waiting w
        WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q AND (w.rank, w.at, w.id) > (r, a, i) AND w.rank < _ranks[n]);
      r := _ranks[n];
      a := _ats[n];
      i := _ids[n];
      n := n + 1;
    END LOOP;
    is_ready := is_ready OR EXISTS (
      SELECT FROM {schema}.waiting w
      WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q AND (w.rank, w.at, w.id) > (r, a, i));
    IF is_ready THEN names := names || q; END IF;
  END LOOP;
  q := '';
  LOOP
    SELECT w.queue INTO q FROM {schema}.waiting w
    WHERE w.phase = 2 AND w.suspect AND w.queue > q ORDER BY w.queue LIMIT 1;
    EXIT WHEN NOT FOUND;
    IF q <> ALL(names) THEN names := names || q; END IF;
  END LOOP;
  RETURN names;
END $$;

CREATE FUNCTION {schema}.ready_queues() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT {schema}.ready_queues(NULL, NULL, NULL, NULL)
$$;

-- Where the lines begin in which more than a thousand entries of jobs that have gone stand before the first one that
-- this worker could run. As long as any transaction may still see such jobs, nobody can sweep them away, and whoever
-- looks at a line from its start steps over all of them: this function, now and then. Claims begin behind these heads.
CREATE FUNCTION {schema}.heads(
  _worker uuid, INOUT _queues text[], INOUT _ranks smallint[], INOUT _ats timestamptz[], INOUT _ids uuid[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  moment timestamptz := {schema}.now();
  known text[] := (SELECT t.tasks FROM {schema}.worker_tasks t WHERE t.worker = _worker);
  queues text[];
  name text COLLATE "C";
  first_at timestamptz;
  before bigint;
BEGIN
  -- Queues in which nothing is ready any more are known by what has ended there.
  queues := ARRAY(
    SELECT q.name COLLATE "C" FROM (
      SELECT t.queue FROM {schema}.tally t UNION SELECT unnest({schema}.ready_queues(_queues, _ranks, _ats, _ids))
    ) q(name) ORDER BY 1);
  _queues := '{}';
  _ranks := '{}';
  _ats := '{}';
  _ids := '{}';
  IF known IS NULL THEN RETURN; END IF;
  FOREACH name IN ARRAY queues LOOP
    FOR line IN -100 .. 100 LOOP
      before := {schema}.stepped();
      SELECT w.at INTO first_at FROM {schema}.waiting w
      WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.rank = line AND w.task = ANY(known)
      ORDER BY w.at, w.id LIMIT 1;
      IF {schema}.stepped() - before > 1000 THEN
        _queues := _queues || name;
        _ranks := _ranks || line::smallint;
        _ats := _ats || coalesce(first_at, moment) - interval '1 microsecond';
        _ids := _ids || 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid;
      END IF;
    END LOOP;
  END LOOP;
END $$;

-- Takes up to `_want` ready jobs of a queue from its line, in order, between two places, and locks them: where their
-- rows are. It begins behind the heads of that queue.
CREATE FUNCTION {schema}.take(
  _name text, _known text[], _moment timestamptz, _want integer, _rank smallint, _at timestamptz, _id uuid,
  _until_rank smallint, _until_at timestamptz, _until_id uuid, _ranks smallint[], _ats timestamptz[], _ids uuid[]
) RETURNS tid[] LANGUAGE plpgsql AS $$
DECLARE
  last_id CONSTANT uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  got tid[] := '{}';
  lines integer := coalesce(cardinality(_ranks), 0);
  n integer := 1;
  r smallint := _rank;
  a timestamptz := _at;
  i uuid := _id;
  until_r smallint;
  until_a timestamptz;
  until_i uuid;
  name text COLLATE "C" := _name;
BEGIN
  LOOP
    WHILE n <= lines AND (_ranks[n] < r OR (_ranks[n] = r AND (_ats[n], _ids[n]) <= (a, i))) LOOP n := n + 1; END LOOP;
    IF n <= lines AND _ranks[n] <= _until_rank THEN
      until_r := _ranks[n] - 1;
      until_a := 'infinity';
      until_i := last_id;
    ELSE
      n := lines + 1;
      until_r := _until_rank;
      until_a := _until_at;
      until_i := _until_id;
    END IF;
    IF (r, a, i) < (until_r, until_a, until_i) THEN
      got := got || ARRAY(
        SELECT w.ctid FROM {schema}.waiting w
        WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.task = ANY(_known)
          AND (w.expires_at IS NULL OR w.expires_at > _moment)
          AND (w.rank, w.at, w.id) > (r, a, i) AND w.rank <= until_r AND (w.rank, w.at, w.id) < (until_r, until_a, until_i)
        ORDER BY w.rank, w.at, w.id LIMIT _want - cardinality(got) FOR UPDATE SKIP LOCKED);
    END IF;
    EXIT WHEN n > lines OR cardinality(got) >= _want;
    r := _ranks[n];
    a := _ats[n];
    i := _ids[n];
    n := n + 1;
  END LOOP;
  RETURN got;
END $$;

-- Gives due jobs to a worker process: from each ready queue in turn its share, then the best of what is left. The last
-- row has no id; it tells the time of the claim, when the next job is due, which queue was served last, which watched
-- jobs have expired, how many entries were stepped over in vain, and where the lines begin since (`heads`).
CREATE FUNCTION {schema}.claim(
  _worker uuid, _limit integer, _queues text[], _most integer[], _after text, _batch bigint,
  _head_queues text[] DEFAULT NULL, _head_ranks smallint[] DEFAULT NULL, _head_ats timestamptz[] DEFAULT NULL,
  _head_ids uuid[] DEFAULT NULL
) RETURNS TABLE (
  id uuid, enqueued_at timestamptz, run_after timestamptz, expires_at timestamptz, priority smallint, task text,
  queue text, args text, metadata text, rare text, run bigint, version bigint, state text,
  moment timestamptz, next_due timestamptz, last_queue text, ended uuid[], steps bigint,
  head_queues text[], head_ranks smallint[], head_ats timestamptz[], head_ids uuid[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  first_id CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  known text[];
  names text[] := '{}';
  rooms integer[] := '{}';
  picked tid[] := '{}';
  got tid[];
  more tid[];
  -- The last job taken of each queue.
  at_ranks smallint[] := '{}';
  at_ats timestamptz[] := '{}';
  at_ids uuid[] := '{}';
  left_over boolean := false;
  alone boolean;
  share integer;
  want integer;
  took integer;
  name text COLLATE "C";
  n integer;
  lines integer := coalesce(cardinality(_head_queues), 0);
  q_ranks smallint[];
  q_ats timestamptz[];
  q_ids uuid[];
  _suspect tid;
  _suspect_rank smallint;
  _suspect_at timestamptz;
  _suspect_id uuid;
  expired uuid[];
  before bigint := {schema}.stepped();
  others CONSTANT integer := _most[array_position(_queues, '*')];
BEGIN
  moment := {schema}.now();
  SELECT t.tasks INTO known FROM {schema}.worker w LEFT JOIN {schema}.worker_tasks t ON t.worker = w.id
  WHERE w.id = _worker FOR KEY SHARE OF w;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  expired := {schema}.expire(moment);
  _head_ats := {schema}.promote(moment, _head_queues, _head_ranks, _head_ats);

  -- The queues in turn, each with how many it may give. Among those asked for, '*' is every queue that is not named.
  SELECT coalesce(array_agg(q.name ORDER BY q.name <= _after COLLATE "C", q.name), '{}'),
         coalesce(array_agg(q.room ORDER BY q.name <= _after COLLATE "C", q.name), '{}') INTO names, rooms
  FROM (
    SELECT r.name COLLATE "C" AS name, CASE WHEN _queues IS NULL THEN _limit ELSE coalesce(a.most, others) END AS room
    FROM unnest({schema}.ready_queues(_head_queues, _head_ranks, _head_ats, _head_ids)) AS r(name)
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
    IF lines > 0 THEN
      SELECT array_agg(h.rank ORDER BY h.n), array_agg(h.at ORDER BY h.n), array_agg(h.id ORDER BY h.n)
      INTO q_ranks, q_ats, q_ids
      FROM unnest(_head_queues, _head_ranks, _head_ats, _head_ids) WITH ORDINALITY AS h(queue, rank, at, id, n)
      WHERE h.queue COLLATE "C" = name;
    END IF;
    _suspect := NULL;
    IF NOT alone THEN
      SELECT w.ctid, w.rank, w.at, w.id INTO _suspect, _suspect_rank, _suspect_at, _suspect_id FROM {schema}.waiting w
      WHERE w.phase = 2 AND w.suspect AND w.queue = name AND w.task = ANY(known)
        AND (w.expires_at IS NULL OR w.expires_at > moment)
      ORDER BY w.rank, w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF _suspect IS NULL THEN
      got := {schema}.take(name, known, moment, want, (-1000)::smallint, '-infinity', first_id,
        1000::smallint, 'infinity', first_id, q_ranks, q_ats, q_ids);
    ELSE
      got := {schema}.take(name, known, moment, want, (-1000)::smallint, '-infinity', first_id,
        _suspect_rank, _suspect_at, _suspect_id, q_ranks, q_ats, q_ids);
      IF cardinality(got) < want THEN
        got := got || _suspect;
        alone := true;
        got := got || {schema}.take(name, known, moment, want - cardinality(got), _suspect_rank, _suspect_at, _suspect_id,
          1000::smallint, 'infinity', first_id, q_ranks, q_ats, q_ids);
      END IF;
    END IF;
    took := cardinality(got);
    IF took > 0 THEN
      picked := picked || got;
      last_queue := name;
      left_over := left_over OR (took = want AND rooms[n] > took);
      SELECT at_ranks || w.rank, at_ats || w.at, at_ids || w.id INTO at_ranks, at_ats, at_ids
      FROM {schema}.waiting w WHERE w.ctid = got[took];
      rooms[n] := CASE WHEN took = want THEN rooms[n] - took ELSE 0 END;
    ELSE
      at_ranks := at_ranks || NULL::smallint;
      at_ats := at_ats || NULL::timestamptz;
      at_ids := at_ids || NULL::uuid;
      rooms[n] := 0;
    END IF;
  END LOOP;

  IF left_over AND cardinality(picked) < _limit THEN
    want := _limit - cardinality(picked);
    more := ARRAY(
      SELECT c.ctid FROM (
        SELECT x.* FROM unnest(names, rooms, at_ranks, at_ats, at_ids) AS q(name, room, rank, at, id)
        CROSS JOIN LATERAL (
          SELECT w.ctid, w.rank, w.at, w.id FROM {schema}.waiting w
          WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q.name AND w.task = ANY(known)
            AND (w.expires_at IS NULL OR w.expires_at > moment) AND (w.rank, w.at, w.id) > (q.rank, q.at, q.id)
          ORDER BY w.rank, w.at, w.id LIMIT least(q.room, want)
        ) x WHERE q.room > 0
        UNION ALL
        SELECT s.* FROM (
          SELECT w.ctid, w.rank, w.at, w.id FROM unnest(names, rooms) AS q(name, room)
          JOIN {schema}.waiting w ON w.queue = q.name AND w.phase = 2 AND w.suspect
          WHERE NOT alone AND q.room > 0 AND w.task = ANY(known) AND (w.expires_at IS NULL OR w.expires_at > moment)
          ORDER BY w.rank, w.at, w.id LIMIT 1
        ) s
      ) c ORDER BY c.rank, c.at, c.id LIMIT want);
    picked := picked || ARRAY(
      SELECT w.ctid FROM {schema}.waiting w WHERE w.ctid = ANY(more) AND w.phase = 2 FOR UPDATE SKIP LOCKED);
  END IF;

  IF cardinality(picked) > 0 THEN
    IF lines > 0 OR {schema}.stepped() - before > 1000 + 2 * cardinality(picked) THEN
      -- What was taken of a line was the first of it: the one where each queue was left begins behind that now.
      SELECT array_agg(h.queue ORDER BY h.queue, h.rank), array_agg(h.rank ORDER BY h.queue, h.rank),
             array_agg(h.at ORDER BY h.queue, h.rank), array_agg(h.id ORDER BY h.queue, h.rank)
      INTO head_queues, head_ranks, head_ats, head_ids
      FROM (
        SELECT DISTINCT ON (o.queue, o.rank) o.* FROM (
          SELECT t.queue COLLATE "C" AS queue, t.rank, t.at, t.id
          FROM unnest(names, at_ranks, at_ats, at_ids) AS t(queue, rank, at, id) WHERE t.rank IS NOT NULL
          UNION ALL
          SELECT u.* FROM unnest(_head_queues, _head_ranks, _head_ats, _head_ids) AS u(queue, rank, at, id)
        ) o ORDER BY o.queue, o.rank, o.at DESC, o.id DESC
      ) h;
    END IF;
    RETURN QUERY
    WITH gone AS (
      DELETE FROM {schema}.waiting w WHERE w.ctid = ANY(picked)
      RETURNING w.id, w.run, w.version, w.suspect, w.queue, w.task, w.state
    ), kept AS (
      INSERT INTO {schema}.running (id, worker, claimed_at, run, version, batch, suspect, queue, task, state)
      SELECT g.id, _worker, moment, g.run + 1, g.version + 1, _batch, g.suspect, g.queue, g.task, g.state FROM gone g
    )
    SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, j.rare,
           g.run + 1, g.version + 1, g.state, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::uuid[], NULL::bigint,
           NULL::text[], NULL::smallint[], NULL::timestamptz[], NULL::uuid[]
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM {schema}.job o WHERE o.id = g.id OFFSET 0) j;
  ELSIF lines > 0 THEN
    head_queues := _head_queues;
    head_ranks := _head_ranks;
    head_ats := _head_ats;
    head_ids := _head_ids;
  END IF;

  IF cardinality(picked) < _limit THEN
    SELECT w.at INTO next_due FROM {schema}.waiting w WHERE w.phase IN (1, 6) AND w.at > moment
    ORDER BY w.at LIMIT 1;
  END IF;
  id := NULL;
  ended := expired;
  steps := {schema}.stepped() - before - cardinality(picked);
  RETURN NEXT;
END $$;

-- What a claim gave whose answer was lost. The lock waits for that claim, if it is still under way.
CREATE FUNCTION {schema}.reclaim(_worker uuid, _batch bigint) RETURNS TABLE (
  id uuid, enqueued_at timestamptz, run_after timestamptz, expires_at timestamptz, priority smallint, task text,
  queue text, args text, metadata text, rare text, run bigint, version bigint, state text, moment timestamptz,
  next_due timestamptz, last_queue text, ended uuid[], steps bigint,
  head_queues text[], head_ranks smallint[], head_ats timestamptz[], head_ids uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM FROM {schema}.worker w WHERE w.id = _worker FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  RETURN QUERY
  SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, j.rare,
         r.run, r.version, r.state, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::uuid[], NULL::bigint,
         NULL::text[], NULL::smallint[], NULL::timestamptz[], NULL::uuid[]
  FROM {schema}.running r CROSS JOIN LATERAL (SELECT * FROM {schema}.job o WHERE o.id = r.id OFFSET 0) j
  WHERE r.worker = _worker AND r.batch = _batch AND r.stage = 0;
  SELECT max(r.claimed_at) INTO moment FROM {schema}.running r
  WHERE r.worker = _worker AND r.batch = _batch AND r.stage = 0;
  id := NULL;
  RETURN NEXT;
END $$;

-- Writes that runs came to a value, whatever was asked of them meanwhile; the numbers of those that were present with
-- their versions since, and which of them are watched.
CREATE FUNCTION {schema}.succeed(
  _ids uuid[], _runs bigint[], _starts timestamptz[], _values text[],
  OUT numbers integer[], OUT versions bigint[], OUT ended uuid[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_nestloop = off
SET enable_mergejoin = off SET jit = off AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  WITH gone AS (
    DELETE FROM {schema}.running r
    USING unnest(_ids, _runs, _starts, _values) WITH ORDINALITY AS g(id, run, started_at, value, n)
    WHERE r.id = g.id AND r.run = g.run AND r.id = ANY(_ids)
    RETURNING g.n::integer AS n, g.started_at, g.value, r.id, r.claimed_at, r.worker, r.run, r.version + 1 AS version,
      r.stage, r.state, r.queue, r.task
  ), kept AS (
    INSERT INTO {schema}.done
      (id, finished_at, claimed_at, started_at, worker, run, version, phase, stage, value, state)
    SELECT g.id, moment, g.claimed_at, g.started_at, g.worker, g.run, g.version, 7, g.stage, g.value, g.state
    FROM gone g
  ), counted AS (
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT g.queue, g.task, 7, date_trunc('hour', moment, 'UTC'), count(*) FROM gone g GROUP BY g.queue, g.task
  )
  SELECT array_agg(g.n), array_agg(g.version) INTO numbers, versions FROM gone g;
  ended := {schema}.unwatch(_ids);
END $$;

-- The beat: renews a lease, and brings back what its process must know. If the lease had ended, its jobs may have been
-- parked meanwhile: at most `_unpark` of them are `freed`.
CREATE FUNCTION {schema}.beat(
  _worker uuid, _lease bigint, _unpark integer, _queues text[], _ranks smallint[], _ats timestamptz[], _ids uuid[]
)
RETURNS TABLE (moment timestamptz, freed bigint, due boolean, cancels uuid[], runs bigint[], peers uuid[],
               ends timestamptz[], next_due timestamptz, paused text[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE before timestamptz;
BEGIN
  moment := {schema}.now();
  SELECT w.lease_ends INTO before FROM {schema}.worker w WHERE w.id = _worker FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  UPDATE {schema}.worker w SET lease_ends = moment + _lease * interval '1 microsecond' WHERE w.id = _worker;
  freed := CASE WHEN before <= moment THEN {schema}.unpark(_unpark) ELSE 0 END;
  paused := ARRAY(SELECT p.queue FROM {schema}.paused p ORDER BY p.queue);
  due := EXISTS (
    SELECT FROM unnest({schema}.ready_queues(_queues, _ranks, _ats, _ids)) AS r(name) WHERE r.name <> ALL(paused))
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
