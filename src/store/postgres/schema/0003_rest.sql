-- What happens now and then: looking jobs up, changing them, parking, pruning, counting, enqueueing by SQL.

-- Every job with where it is. Of the three rows beside it exactly one is there.
CREATE VIEW {schema}.look AS
SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, j.rare,
  coalesce(w.run, r.run, d.run) AS run, coalesce(w.version, r.version, d.version) AS version,
  coalesce(w.state, r.state, d.state) AS state,
  coalesce(w.phase, r.phase, d.phase) AS phase, coalesce(r.stage, d.stage, 0::smallint) AS stage,
  coalesce(r.worker, d.worker) AS worker, coalesce(r.claimed_at, d.claimed_at) AS claimed_at,
  d.started_at, d.finished_at, d.value, r.asked
FROM {schema}.job j
LEFT JOIN LATERAL (SELECT * FROM {schema}.waiting o WHERE o.id = j.id OFFSET 0) w ON true
LEFT JOIN LATERAL (SELECT * FROM {schema}.running o WHERE o.id = j.id OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT * FROM {schema}.done o WHERE o.id = j.id OFFSET 0) d ON true;

CREATE FUNCTION {schema}.find(_ids uuid[]) RETURNS SETOF {schema}.look LANGUAGE sql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$ SELECT * FROM {schema}.look l WHERE l.id = ANY(_ids) $$;

-- A job, locked where it is until the end of the transaction. It may move while it is looked for.
CREATE FUNCTION {schema}.hold(_id uuid) RETURNS SETOF {schema}.look LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
  FOR try IN 1 .. 100 LOOP
    PERFORM FROM {schema}.waiting w WHERE w.id = _id FOR UPDATE;
    IF NOT FOUND THEN PERFORM FROM {schema}.running r WHERE r.id = _id FOR UPDATE; END IF;
    IF NOT FOUND THEN PERFORM FROM {schema}.done d WHERE d.id = _id FOR UPDATE; END IF;
    IF FOUND THEN
      RETURN QUERY SELECT * FROM {schema}.look l WHERE l.id = _id;
      RETURN;
    END IF;
    PERFORM FROM {schema}.job j WHERE j.id = _id;
    EXIT WHEN NOT FOUND;
  END LOOP;
END $$;

-- The jobs of these runs that are present, or all that a worker has, locked.
CREATE FUNCTION {schema}.hold_runs(_ids uuid[], _runs bigint[], _worker uuid) RETURNS SETOF {schema}.look
LANGUAGE plpgsql
SET enable_bitmapscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE held uuid[];
BEGIN
  IF _worker IS NULL THEN
    SELECT array_agg(h.id) INTO held FROM (
      SELECT r.id FROM unnest(_ids, _runs) AS g(id, run) JOIN {schema}.running r ON r.id = g.id AND r.run = g.run
      WHERE r.id = ANY(_ids) ORDER BY r.id FOR UPDATE OF r) h;
  ELSE
    SELECT array_agg(h.id) INTO held FROM (
      SELECT r.id FROM {schema}.running r WHERE r.worker = _worker ORDER BY r.id FOR UPDATE) h;
  END IF;
  RETURN QUERY SELECT * FROM {schema}.find(held);
END $$;

-- Puts jobs that are held where they belong since. `_from` and `_to`: 1 waiting, 2 running, 3 done, 0 nowhere. Those
-- of them that have ended and are watched.
CREATE FUNCTION {schema}.put(
  _ids uuid[], _from smallint[], _to smallint[], _phases smallint[], _versions bigint[], _runs bigint[],
  _states text[], _queues text[], _tasks text[], _ats timestamptz[], _expires timestamptz[], _ranks smallint[],
  _suspects boolean[], _asked boolean[], _finished timestamptz[], _values text[]
) RETURNS uuid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE ended uuid[];
BEGIN
  IF 1 = ANY(_from) THEN
    UPDATE {schema}.waiting w
    SET at = g.at, expires_at = g.expires_at, version = g.version, phase = g.phase, rank = g.rank,
        suspect = g.suspect, queue = g.queue, state = g.state
    FROM unnest(_ids, _from, _to, _phases, _versions, _states, _queues, _ats, _expires, _ranks, _suspects)
      AS g(id, was, becomes, phase, version, state, queue, at, expires_at, rank, suspect)
    WHERE w.id = g.id AND g.was = 1 AND g.becomes = 1 AND w.id = ANY(_ids);
    DELETE FROM {schema}.waiting w USING unnest(_ids, _from, _to) AS g(id, was, becomes)
    WHERE w.id = g.id AND g.was = 1 AND g.becomes <> 1 AND w.id = ANY(_ids);
  END IF;
  IF 2 = ANY(_from) THEN
    UPDATE {schema}.running r SET version = g.version, phase = g.phase, stage = 1, asked = g.asked, state = g.state
    FROM unnest(_ids, _from, _to, _phases, _versions, _states, _asked)
      AS g(id, was, becomes, phase, version, state, asked)
    WHERE r.id = g.id AND g.was = 2 AND g.becomes = 2 AND r.id = ANY(_ids);
    DELETE FROM {schema}.running r USING unnest(_ids, _from, _to) AS g(id, was, becomes)
    WHERE r.id = g.id AND g.was = 2 AND g.becomes <> 2 AND r.id = ANY(_ids);
  END IF;
  IF 3 = ANY(_from) THEN
    WITH gone AS (
      DELETE FROM {schema}.done d USING unnest(_ids, _from, _to) AS g(id, was, becomes)
      WHERE d.id = g.id AND g.was = 3 AND g.becomes <> 3 AND d.id = ANY(_ids)
      RETURNING d.id, d.phase, d.finished_at, g.becomes
    ), remembered AS (
      INSERT INTO {schema}.pruned (id) SELECT g.id FROM gone g WHERE g.becomes = 0 ON CONFLICT DO NOTHING
    )
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT j.queue, j.task, g.phase, date_trunc('hour', g.finished_at, 'UTC'), -count(*)
    FROM gone g JOIN {schema}.job j ON j.id = g.id AND j.id = ANY(_ids)
    GROUP BY 1, 2, 3, 4;
  END IF;
  IF 0 = ANY(_to) THEN
    DELETE FROM {schema}.job j USING unnest(_ids, _to) AS g(id, becomes) WHERE j.id = g.id AND g.becomes = 0 AND j.id = ANY(_ids);
  END IF;
  IF 1 = ANY(_to) THEN
    INSERT INTO {schema}.waiting (id, at, expires_at, version, run, phase, rank, suspect, queue, task, state)
    SELECT g.id, g.at, g.expires_at, g.version, g.run, g.phase, g.rank, g.suspect, g.queue, g.task, g.state
    FROM unnest(_ids, _from, _to, _phases, _versions, _runs, _states, _queues, _tasks, _ats, _expires, _ranks, _suspects)
      AS g(id, was, becomes, phase, version, run, state, queue, task, at, expires_at, rank, suspect)
    WHERE g.becomes = 1 AND g.was <> 1;
  END IF;
  IF 3 = ANY(_to) THEN
    INSERT INTO {schema}.done (id, finished_at, run, version, phase, stage, value, state)
    SELECT g.id, g.finished_at, g.run, g.version, g.phase, 2, g.value, g.state
    FROM unnest(_ids, _from, _to, _phases, _versions, _runs, _states, _finished, _values)
      AS g(id, was, becomes, phase, version, run, state, finished_at, value)
    WHERE g.becomes = 3 AND g.was <> 3;
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT g.queue, g.task, g.phase, date_trunc('hour', g.finished_at, 'UTC'), count(*)
    FROM unnest(_from, _to, _phases, _queues, _tasks, _finished) AS g(was, becomes, phase, queue, task, finished_at)
    WHERE g.becomes = 3 AND g.was <> 3
    GROUP BY 1, 2, 3, 4;
    SELECT array_agg(g.id) INTO ended FROM unnest(_ids, _to) AS g(id, becomes) WHERE g.becomes = 3;
    ended := {schema}.unwatch(ended);
  END IF;
  RETURN ended;
END $$;

-- Registers a worker process.
CREATE FUNCTION {schema}.register(_worker uuid, _lease bigint, _tasks text[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO {schema}.worker (id, lease_ends)
  VALUES (_worker, {schema}.now() + _lease * interval '1 microsecond')
  ON CONFLICT (id) DO UPDATE SET lease_ends = excluded.lease_ends;
  INSERT INTO {schema}.worker_tasks (worker, tasks) VALUES (_worker, _tasks)
  ON CONFLICT (worker) DO UPDATE SET tasks = excluded.tasks;
$$;

-- Removes a worker process; with `_only_lapsed` only if its lease has ended. Whether it was there. Its jobs are freed
-- in a statement after this one, which sees what it claimed until now.
CREATE FUNCTION {schema}.unregister(_worker uuid, _only_lapsed boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  DELETE FROM {schema}.worker w WHERE w.id = _worker AND (NOT _only_lapsed OR w.lease_ends <= moment);
  IF NOT FOUND THEN RETURN false; END IF;
  DELETE FROM {schema}.worker_tasks t WHERE t.worker = _worker;
  RETURN true;
END $$;

-- The tasks that a process with a lease that holds has.
CREATE FUNCTION {schema}.live_tasks(_moment timestamptz) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT DISTINCT x.task COLLATE "C" FROM {schema}.worker w
    JOIN {schema}.worker_tasks t ON t.worker = w.id CROSS JOIN LATERAL unnest(t.tasks) AS x(task)
    WHERE w.lease_ends > _moment)
$$;

-- Puts parked jobs back that a live process can run, at most so many. How many.
CREATE FUNCTION {schema}.unpark(_limit integer) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE freed bigint := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase = 3) THEN RETURN 0; END IF;
  WITH back AS (
    UPDATE {schema}.waiting u SET phase = 2, version = u.version + 1 WHERE u.id = ANY(ARRAY(
      SELECT w.id FROM {schema}.waiting w
      WHERE w.phase = 3 AND w.task = ANY({schema}.live_tasks({schema}.now())) LIMIT _limit FOR UPDATE SKIP LOCKED))
    RETURNING 1
  ) SELECT count(*) INTO freed FROM back;
  RETURN freed;
END $$;

-- Parks jobs that nobody can run, at most `_limit` of those at the head of each line. How many. What stands behind
-- many others that can run is in nobody's way yet.
CREATE FUNCTION {schema}.park(_limit integer) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  moment timestamptz := {schema}.now();
  known text[] := {schema}.live_tasks(moment);
  parked bigint;
BEGIN
  PERFORM {schema}.expire(moment);
  PERFORM {schema}.promote(moment);
  WITH away AS (
    UPDATE {schema}.waiting u SET phase = 3, version = u.version + 1 WHERE u.id = ANY(ARRAY(
      SELECT w.id FROM {schema}.waiting w WHERE w.phase = 2 AND w.id = ANY(ARRAY(
        SELECT head.id FROM unnest({schema}.ready_queues()) AS q(name) CROSS JOIN LATERAL (
          (SELECT w.id, w.task FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q.name
           ORDER BY w.rank, w.at, w.id LIMIT _limit)
          UNION ALL
          (SELECT w.id, w.task FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect AND w.queue = q.name
           ORDER BY w.rank, w.at, w.id LIMIT _limit)
        ) head WHERE head.task <> ALL(known)))
      FOR UPDATE SKIP LOCKED))
    RETURNING 1
  ) SELECT count(*) INTO parked FROM away;
  RETURN parked;
END $$;

-- Removes finished jobs that were kept for as long as they should be, at most so many. How many.
CREATE FUNCTION {schema}.prune(_limit integer, _keep_successful bigint, _keep_failed bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := {schema}.now();
  successful timestamptz := moment - _keep_successful * interval '1 microsecond';
  failed timestamptz := moment - _keep_failed * interval '1 microsecond';
  old uuid[] := '{}';
  removed bigint;
BEGIN
  FOR ending IN 7 .. 11 LOOP
    EXIT WHEN cardinality(old) >= _limit;
    old := old || ARRAY(
      SELECT d.id FROM {schema}.done d
      WHERE d.phase = ending AND d.finished_at <= CASE WHEN ending = 7 THEN successful ELSE failed END
      ORDER BY d.finished_at LIMIT _limit - cardinality(old) FOR UPDATE SKIP LOCKED);
  END LOOP;
  WITH gone AS (
    DELETE FROM {schema}.done d WHERE d.id = ANY(old) RETURNING d.id, d.phase, d.finished_at
  ), jobs AS (
    DELETE FROM {schema}.job j USING gone g WHERE j.id = g.id AND j.id = ANY(old) RETURNING j.id, j.queue, j.task, g.phase, g.finished_at
  ), remembered AS (
    INSERT INTO {schema}.pruned (id) SELECT j.id FROM jobs j ON CONFLICT DO NOTHING
  ), counted AS (
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT j.queue, j.task, j.phase, date_trunc('hour', j.finished_at, 'UTC'), -count(*)
    FROM jobs j GROUP BY 1, 2, 3, 4
  )
  SELECT count(*) INTO removed FROM jobs;
  RETURN removed;
END $$;

-- Puts the rows of the tally together, if there are many.
CREATE FUNCTION {schema}.fold() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) > 1000 + 2 * count(DISTINCT (t.queue, t.task, t.phase, t.hour)) FROM {schema}.tally t) THEN
    WITH folded AS (DELETE FROM {schema}.tally t RETURNING t.*)
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT f.queue, f.task, f.phase, f.hour, sum(f.jobs) FROM folded f GROUP BY 1, 2, 3, 4 HAVING sum(f.jobs) <> 0;
  END IF;
END $$;

-- Forgets what need not be remembered: ids beyond the last million that were removed, and watches that are over.
CREATE FUNCTION {schema}.tidy() RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  DELETE FROM {schema}.pruned p WHERE p.n = ANY(ARRAY(
    SELECT o.n FROM {schema}.pruned o WHERE o.n <= (SELECT max(m.n) FROM {schema}.pruned m) - 1000000
    ORDER BY o.n LIMIT 10000));
  DELETE FROM {schema}.watch w WHERE w.until <= {schema}.now();
  PERFORM {schema}.fold();
END $$;

CREATE FUNCTION {schema}.prunable(_keep_successful bigint, _keep_failed bigint)
RETURNS TABLE (successful bigint, failed bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  SELECT count(*) INTO successful FROM {schema}.done d
  WHERE d.phase = 7 AND d.finished_at <= moment - _keep_successful * interval '1 microsecond';
  SELECT count(*) INTO failed FROM {schema}.done d
  WHERE d.phase IN (8, 9, 10, 11) AND d.finished_at <= moment - _keep_failed * interval '1 microsecond';
  RETURN NEXT;
END $$;

-- How many jobs are in each phase, and since when one is ready; of waiting ones at most 10,001 are counted in a queue
-- and phase, of those that wait for a time or a worker 100,000 in all. History is never scanned.
CREATE FUNCTION {schema}.counts()
RETURNS TABLE (queue text, phase smallint, jobs bigint, oldest timestamptz) LANGUAGE plpgsql STABLE
SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  first_rank smallint;
  first_at timestamptz;
  name text COLLATE "C";
  line integer;
BEGIN
  phase := 2;
  FOREACH name IN ARRAY {schema}.ready_queues() LOOP
    queue := name;
    SELECT count(*) INTO jobs FROM (
      SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name LIMIT 10001) c;
    SELECT jobs + count(*), min(w.at) INTO jobs, oldest
    FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect AND w.queue = name;
    line := -32768;
    LOOP
      SELECT w.rank, w.at INTO first_rank, first_at FROM {schema}.waiting w
      WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND w.rank > line
      ORDER BY w.rank, w.at LIMIT 1;
      EXIT WHEN NOT FOUND;
      oldest := least(oldest, first_at);
      line := first_rank;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  RETURN QUERY
    SELECT c.queue, c.phase, count(*), NULL::timestamptz
    FROM (SELECT w.queue, w.phase FROM {schema}.waiting w WHERE w.phase IN (1, 6) LIMIT 100000) c
    GROUP BY c.queue, c.phase;
  RETURN QUERY
    SELECT c.queue, c.phase, count(*), NULL::timestamptz
    FROM (SELECT w.queue, w.phase FROM {schema}.waiting w WHERE w.phase = 3 LIMIT 100000) c
    GROUP BY c.queue, c.phase;
  RETURN QUERY SELECT r.queue, r.phase, count(*), NULL::timestamptz FROM {schema}.running r GROUP BY r.queue, r.phase;
  RETURN QUERY
    SELECT t.queue, t.phase, sum(t.jobs)::bigint, NULL::timestamptz FROM {schema}.tally t
    GROUP BY t.queue, t.phase HAVING sum(t.jobs) <> 0;
END $$;

-- A UUIDv7 for that time.
CREATE FUNCTION {schema}.new_id(_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_byte(bytes, 6, (get_byte(bytes, 6) & 15) | 112), 'hex')::uuid
  FROM (SELECT overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(floor(extract(epoch FROM _at) * 1000)::bigint) FROM 3) FROM 1 FOR 6) AS bytes) b
$$;

-- Checks a name as every other way to enqueue does.
CREATE FUNCTION {schema}.check_name(_field text, _name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF _name IS NULL OR _name !~ '^[A-Za-z0-9_.:-]{1,128}$' THEN
    RAISE EXCEPTION '% is %: use 1 to 128 letters, digits, "_", ".", ":" and "-"', _field, coalesce(quote_literal(_name), 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;

-- Enqueues a job within the caller's transaction; its id. Worker processes are woken when that commits.
CREATE FUNCTION {schema}.enqueue(
  task text, args json DEFAULT '{}', queue text DEFAULT 'default', priority integer DEFAULT 0,
  run_after timestamptz DEFAULT NULL, max_attempts integer DEFAULT 12, expires_at timestamptz DEFAULT NULL,
  timeout interval DEFAULT NULL, metadata json DEFAULT NULL, tags text[] DEFAULT NULL,
  traceparent text DEFAULT NULL, id uuid DEFAULT NULL, notify boolean DEFAULT true, details json DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  moment timestamptz := {schema}.now();
  name uuid := coalesce(id, {schema}.new_id(moment));
  tag text;
  rare text := details::text;
BEGIN
  PERFORM {schema}.check_name('task', task);
  PERFORM {schema}.check_name('queue', queue);
  IF cardinality(tags) > 16 THEN
    RAISE EXCEPTION 'tags has % labels: give at most 16', cardinality(tags) USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOREACH tag IN ARRAY coalesce(tags, '{}') LOOP PERFORM {schema}.check_name('a label of tags', tag); END LOOP;
  IF priority IS NULL OR priority NOT BETWEEN -100 AND 100 THEN
    RAISE EXCEPTION 'priority is %: give -100 to 100', coalesce(priority::text, 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF max_attempts IS NULL OR max_attempts < 1 THEN
    RAISE EXCEPTION 'max_attempts is %: give at least 1', coalesce(max_attempts::text, 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF args IS NULL OR json_typeof(args) <> 'object' THEN
    RAISE EXCEPTION 'args is not a JSON object: give the arguments by name, as in {"to": "a@example.org"}'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF json_typeof(metadata) <> 'object' THEN
    RAISE EXCEPTION 'metadata is not a JSON object' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF timeout < interval '0' OR extract(year FROM timeout) <> 0 OR extract(month FROM timeout) <> 0 THEN
    RAISE EXCEPTION 'timeout is %: give a positive time in days or less', timeout
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF rare IS NULL AND (max_attempts <> 12 OR timeout IS NOT NULL OR cardinality(tags) > 0 OR traceparent IS NOT NULL) THEN
    rare := json_strip_nulls(json_build_object(
      'timeout', CASE WHEN timeout IS NOT NULL THEN json_build_object(
        'secs', floor(extract(epoch FROM timeout))::bigint,
        'nanos', ((extract(epoch FROM timeout) - floor(extract(epoch FROM timeout))) * 1000000000)::integer) END,
      'retry', CASE WHEN max_attempts <> 12 THEN
        json_build_object('max_attempts', max_attempts, 'backoff', 'default') END,
      'tags', CASE WHEN cardinality(tags) > 0 THEN array_to_json(tags) END,
      'traceparent', traceparent))::text;
  END IF;
  INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
  VALUES (name, moment, run_after, expires_at, priority, task, queue, args::text, metadata::text, rare);
  INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task)
  VALUES (name, greatest(moment, run_after), expires_at, CASE WHEN run_after > moment THEN 1 ELSE 2 END, -priority,
          queue, task);
  IF notify THEN PERFORM pg_notify('{schema}.callboard', 'work'); END IF;
  RETURN name;
END $$;
