-- Keys of which there is one: unique keys of jobs, and those of requests that may come twice. Most jobs have none, and
-- what every job goes through costs them nothing but two columns.

-- Whether it may hold a unique key, which the statement that ends it frees then; and with whom it shares limits.
ALTER TABLE {schema}.waiting ADD COLUMN keyed boolean NOT NULL DEFAULT false, ADD COLUMN limit_key text COLLATE "C";
ALTER TABLE {schema}.running
  ADD COLUMN keyed boolean NOT NULL DEFAULT false,
  ADD COLUMN limit_key text COLLATE "C",
  -- Whether the starts of its queue are limited.
  ADD COLUMN limited boolean NOT NULL DEFAULT false;
CREATE INDEX running_limited ON {schema}.running (queue) WHERE limited;
CREATE INDEX running_keys ON {schema}.running (queue, limit_key) WHERE limit_key IS NOT NULL;
CREATE INDEX waiting_keys ON {schema}.waiting (queue, limit_key) WHERE phase = 2 AND limit_key IS NOT NULL;

-- Unique keys and the jobs that hold them. A row past its time is nobody's; whoever comes next takes it.
CREATE TABLE {schema}.unique_key (
  key text COLLATE "C" PRIMARY KEY,
  job uuid NOT NULL,
  holds_until timestamptz,
  -- Held until the first start only.
  until_started boolean NOT NULL
);
CREATE INDEX unique_key_job ON {schema}.unique_key (job);

-- Requests that came with an idempotency key, and the jobs that they made or found.
CREATE TABLE {schema}.request (
  key text COLLATE "C" PRIMARY KEY,
  digest bytea NOT NULL,
  ids uuid[] NOT NULL,
  forgotten_at timestamptz NOT NULL
);
CREATE INDEX request_end ON {schema}.request (forgotten_at);

-- What a queue may do, by the row that a claim of it locks. `definition` is what was asked for, the rest the same for
-- statements: a rate is a number and the microseconds between two starts.
CREATE TABLE {schema}.limits (
  queue text COLLATE "C" PRIMARY KEY,
  definition text NOT NULL,
  concurrency integer,
  rate_count integer,
  rate_step bigint,
  key_concurrency integer,
  key_rate_count integer,
  key_rate_step bigint,
  depth bigint,
  -- Whether it limits what may start, and whether by key.
  starts boolean NOT NULL,
  by_key boolean NOT NULL
);

-- When everything that has started would have started, one at a time; the key of the queue's own rate is empty.
CREATE TABLE {schema}.rate (
  queue text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  next timestamptz NOT NULL,
  PRIMARY KEY (queue, key)
);

-- Gives a unique key to a job, unless another one holds it: that one is told. Whoever is about to get or to free it is
-- waited for.
CREATE FUNCTION {schema}.take_key(_key text, _job uuid, _holds_until timestamptz, _until_started boolean)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz := {schema}.now();
  holder uuid;
  ends timestamptz;
BEGIN
  LOOP
    INSERT INTO {schema}.unique_key (key, job, holds_until, until_started)
    VALUES (_key, _job, _holds_until, _until_started) ON CONFLICT (key) DO NOTHING;
    IF FOUND THEN RETURN NULL; END IF;
    SELECT u.job, u.holds_until INTO holder, ends FROM {schema}.unique_key u WHERE u.key = _key;
    CONTINUE WHEN NOT FOUND;
    IF ends > moment OR ends IS NULL THEN RETURN nullif(holder, _job); END IF;
    DELETE FROM {schema}.unique_key u WHERE u.key = _key AND u.holds_until <= moment;
  END LOOP;
END $$;

-- A waiting job that holds a key takes over arguments, limit key and time of another one, as `Job::replace` says.
-- Whether it did: not if it runs; null if it has let go of the key meanwhile.
CREATE FUNCTION {schema}.replace(_id uuid, _key text, _args text, _limit_key text, _run_after timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz := {schema}.now();
  since timestamptz;
  due timestamptz;
BEGIN
  PERFORM FROM {schema}.waiting w WHERE w.id = _id FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM FROM {schema}.running r WHERE r.id = _id;
    IF FOUND THEN RETURN false; END IF;
  END IF;
  PERFORM FROM {schema}.waiting w JOIN {schema}.unique_key u ON u.job = w.id WHERE w.id = _id AND u.key = _key;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT j.enqueued_at INTO since FROM {schema}.job j WHERE j.id = _id;
  due := greatest(since, _run_after);
  UPDATE {schema}.job j SET args = _args, run_after = _run_after, rare = (
    SELECT json_object_agg(e.key, e.value)::text FROM (
      SELECT m.key, m.value FROM json_each(coalesce(j.rare, '{}')::json) m WHERE m.key <> 'limit_key'
      UNION ALL
      SELECT 'limit_key', to_json(_limit_key) WHERE _limit_key IS NOT NULL) e)
  WHERE j.id = _id;
  UPDATE {schema}.waiting w SET at = due, version = w.version + 1, limit_key = _limit_key,
    phase = CASE WHEN due > moment THEN 1 WHEN w.phase IN (1, 6) THEN 2 ELSE w.phase END,
    state = regexp_replace(w.state, '"next_run_at":("[^"]*"|null)', '"next_run_at":null')
  WHERE w.id = _id;
  RETURN true;
END $$;

-- How many jobs wait in a queue, counted no further than one more than `_most`; of those that wait for a time or a
-- worker, 100,000 of all queues are looked at.
CREATE FUNCTION {schema}.count_waiting(_queue text, _most bigint) RETURNS bigint LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  found bigint;
  more bigint;
BEGIN
  SELECT count(*) INTO found FROM (
    SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = _queue LIMIT _most + 1) c;
  IF found <= _most THEN
    SELECT count(*) INTO more FROM (
      SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect AND w.queue = _queue LIMIT _most + 1) c;
    found := found + more;
    SELECT count(*) INTO more FROM (
      SELECT w.queue FROM {schema}.waiting w WHERE w.phase IN (1, 6) LIMIT 100000) c WHERE c.queue = _queue;
    found := found + more;
    SELECT count(*) INTO more FROM (
      SELECT w.queue FROM {schema}.waiting w WHERE w.phase = 3 LIMIT 100000) c WHERE c.queue = _queue;
    found := found + more;
  END IF;
  RETURN found;
END $$;

-- The queues in which only so many jobs may wait, and how many do.
CREATE FUNCTION {schema}.depths() RETURNS TABLE (queue text, depth bigint, waiting bigint) LANGUAGE sql STABLE AS $$
  SELECT l.queue, l.depth, {schema}.count_waiting(l.queue, l.depth)
  FROM {schema}.limits l WHERE l.depth IS NOT NULL
$$;

-- Refuses jobs that are too many for their queue.
CREATE FUNCTION {schema}.check_depth(_queue text, _coming bigint) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
  most bigint := (SELECT l.depth FROM {schema}.limits l WHERE l.queue = _queue);
  waiting bigint;
BEGIN
  IF most IS NULL THEN RETURN; END IF;
  waiting := {schema}.count_waiting(_queue, most);
  IF waiting + _coming > most THEN
    RAISE EXCEPTION 'the queue % is full: % jobs wait, at most % may', quote_literal(_queue), waiting, most
      USING ERRCODE = 'CB003', DETAIL = json_build_object('queue', _queue, 'waiting', waiting, 'depth', most)::text;
  END IF;
END $$;

-- Keeps new jobs without keys of which there is one. Those that are `handed` to `_worker` are running at once, if it is
-- registered, they are due, and nothing limits the starts of a queue of their unit; `dues` is the latest time that a job
-- of the same unit waits for. Tells whether the worker is registered, the time, and which units wait for limits. Who has
-- not `_counted` what waits is sent back to do so, if a queue has a depth; where that is null, it is counted here.
DROP FUNCTION {schema}.add(
  uuid[], timestamptz[], timestamptz[], timestamptz[], smallint[], text[], text[], text[], text[], text[],
  uuid, boolean[], timestamptz[]);
CREATE FUNCTION {schema}.add(
  _ids uuid[], _enqueued timestamptz[], _run_after timestamptz[], _expires timestamptz[], _priorities smallint[],
  _tasks text[], _queues text[], _args text[], _metadata text[], _rare text[],
  _worker uuid, _handed boolean[], _dues timestamptz[], _limit_keys text[], _units integer[], _counted boolean
) RETURNS TABLE (known boolean, moment timestamptz, kept integer[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
  moment := {schema}.now();
  known := false;
  IF _counted IS NOT TRUE
    AND EXISTS (SELECT FROM {schema}.limits l WHERE l.depth IS NOT NULL AND l.queue = ANY(_queues)) THEN
    IF NOT _counted THEN RAISE EXCEPTION 'what waits was not counted' USING ERRCODE = 'CB002'; END IF;
    PERFORM {schema}.check_depth(q.queue, q.jobs)
    FROM (SELECT n.queue, count(*) AS jobs FROM unnest(_queues) AS n(queue) GROUP BY n.queue) q;
  END IF;
  IF _worker IS NOT NULL THEN
    PERFORM FROM {schema}.worker w WHERE w.id = _worker FOR KEY SHARE;
    known := FOUND;
  END IF;
  INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
  SELECT * FROM unnest(
    _ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _args, _metadata, _rare);
  IF NOT known THEN
    INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task, limit_key)
    SELECT n.id, greatest(n.enqueued, n.run_after), n.expires,
           CASE WHEN n.run_after > n.enqueued THEN 1 ELSE 2 END, -n.priority, n.queue, n.task, n.limit_key
    FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _limit_keys)
      AS n(id, enqueued, run_after, expires, priority, task, queue, limit_key);
  ELSE
    IF EXISTS (SELECT FROM {schema}.limits l WHERE l.starts) THEN
      SELECT array_agg(DISTINCT n.unit) INTO kept FROM unnest(_units, _queues, _handed) AS n(unit, queue, handed)
      WHERE n.handed AND EXISTS (SELECT FROM {schema}.limits l WHERE l.starts AND l.queue = n.queue COLLATE "C");
    END IF;
    INSERT INTO {schema}.running (id, worker, claimed_at, run, version, queue, task, limit_key)
    SELECT n.id, _worker, moment, 1, 2, n.queue, n.task, n.limit_key
    FROM unnest(_ids, _tasks, _queues, _handed, _dues, _limit_keys, _units)
      AS n(id, task, queue, handed, due, limit_key, unit)
    WHERE n.handed AND (n.due IS NULL OR n.due <= moment) AND (kept IS NULL OR n.unit <> ALL(kept));
    INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task, limit_key)
    SELECT n.id, greatest(n.enqueued, n.run_after), n.expires,
           CASE WHEN n.run_after > n.enqueued THEN 1 ELSE 2 END, -n.priority, n.queue, n.task, n.limit_key
    FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _handed, _dues, _limit_keys, _units)
      AS n(id, enqueued, run_after, expires, priority, task, queue, handed, due, limit_key, unit)
    WHERE NOT (n.handed AND (n.due IS NULL OR n.due <= moment) AND (kept IS NULL OR n.unit <> ALL(kept)));
  END IF;
  RETURN NEXT;
END $$;

-- Keeps units of new jobs of which some have a unique key, or that came with an idempotency key; each unit is all or
-- nothing by itself. Locks are waited for as long as `_patience` says, if it says so. Answers a row for each job that
-- was found in place of a new one, and for each unit of which nothing was kept. Outcomes: 0 found, 1 the request came
-- before, 2 another job holds a key, 3 the request was another one, 4 somebody else holds a key for too long.
CREATE FUNCTION {schema}.add_keyed(
  _ids uuid[], _enqueued timestamptz[], _run_after timestamptz[], _expires timestamptz[], _priorities smallint[],
  _tasks text[], _queues text[], _args text[], _metadata text[], _rare text[], _limit_keys text[], _units integer[],
  _keys text[], _holds timestamptz[], _started boolean[], _conflicts smallint[],
  _requests text[], _digests bytea[], _keep bigint[], _patience text, _counted boolean
) RETURNS TABLE (unit integer, outcome smallint, place integer, job uuid, replaced boolean, ids uuid[]) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := {schema}.now();
  n integer;
  holder uuid;
  took_over boolean;
  before {schema}.request%ROWTYPE;
  found_places integer[];
  found_ids uuid[];
  found_replaced boolean[];
BEGIN
  IF NOT _counted
    AND EXISTS (SELECT FROM {schema}.limits l WHERE l.depth IS NOT NULL AND l.queue = ANY(_queues)) THEN
    RAISE EXCEPTION 'what waits was not counted' USING ERRCODE = 'CB002';
  END IF;
  IF _patience IS NOT NULL THEN PERFORM set_config('lock_timeout', _patience, true); END IF;
  FOR u IN 1 .. cardinality(_requests) LOOP
    unit := u;
    outcome := NULL;
    place := NULL;
    job := NULL;
    ids := NULL;
    found_places := '{}';
    found_ids := '{}';
    found_replaced := '{}';
    BEGIN
      WHILE _requests[u] IS NOT NULL LOOP
        INSERT INTO {schema}.request (key, digest, ids, forgotten_at)
        SELECT _requests[u], _digests[u], coalesce(array_agg(g.id ORDER BY g.n), '{}'),
               moment + _keep[u] * interval '1 microsecond'
        FROM unnest(_ids, _units) WITH ORDINALITY AS g(id, unit, n) WHERE g.unit = u
        ON CONFLICT (key) DO NOTHING;
        EXIT WHEN FOUND;
        SELECT * INTO before FROM {schema}.request r WHERE r.key = _requests[u];
        CONTINUE WHEN NOT FOUND;
        IF before.forgotten_at > moment THEN
          outcome := CASE WHEN before.digest = _digests[u] THEN 1 ELSE 3 END;
          ids := before.ids;
          RAISE EXCEPTION 'nothing is to be done' USING ERRCODE = 'CB010';
        END IF;
        DELETE FROM {schema}.request r WHERE r.key = _requests[u] AND r.forgotten_at <= moment;
      END LOOP;
      IF _counted IS NULL THEN
        PERFORM {schema}.check_depth(q.queue, q.jobs)
        FROM (SELECT g.queue, count(*) AS jobs FROM unnest(_queues, _units) AS g(queue, unit)
              WHERE g.unit = u GROUP BY g.queue) q;
      END IF;
      -- In the order of their keys, so that two who want the same ones do not wait for each other.
      FOR n IN
        SELECT g.n FROM unnest(_units, _keys) WITH ORDINALITY AS g(unit, key, n)
        WHERE g.unit = u AND g.key IS NOT NULL ORDER BY g.key COLLATE "C", g.n
      LOOP
        LOOP
          holder := {schema}.take_key(_keys[n], _ids[n], _holds[n], _started[n]);
          took_over := false;
          EXIT WHEN holder IS NULL OR _conflicts[n] = 0;
          IF _conflicts[n] = 2 THEN
            took_over := {schema}.replace(holder, _keys[n], _args[n], _limit_keys[n], _run_after[n]);
            CONTINUE WHEN took_over IS NULL;
          END IF;
          EXIT WHEN took_over;
          outcome := 2;
          place := n;
          job := holder;
          RAISE EXCEPTION 'nothing is to be done' USING ERRCODE = 'CB010';
        END LOOP;
        IF holder IS NOT NULL THEN
          found_places := found_places || n;
          found_ids := found_ids || holder;
          found_replaced := found_replaced || took_over;
        ELSE
          INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
          VALUES (_ids[n], _enqueued[n], _run_after[n], _expires[n], _priorities[n], _tasks[n], _queues[n], _args[n],
                  _metadata[n], _rare[n]);
          INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task, limit_key, keyed)
          VALUES (_ids[n], greatest(_enqueued[n], _run_after[n]), _expires[n],
                  CASE WHEN _run_after[n] > _enqueued[n] THEN 1 ELSE 2 END, -_priorities[n], _queues[n], _tasks[n],
                  _limit_keys[n], true);
        END IF;
      END LOOP;
      INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
      SELECT g.id, g.enqueued, g.run_after, g.expires, g.priority, g.task, g.queue, g.args, g.metadata, g.rare
      FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _args, _metadata, _rare, _units,
                  _keys) AS g(id, enqueued, run_after, expires, priority, task, queue, args, metadata, rare, unit, key)
      WHERE g.unit = u AND g.key IS NULL;
      INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task, limit_key)
      SELECT g.id, greatest(g.enqueued, g.run_after), g.expires,
             CASE WHEN g.run_after > g.enqueued THEN 1 ELSE 2 END, -g.priority, g.queue, g.task, g.limit_key
      FROM unnest(_ids, _enqueued, _run_after, _expires, _priorities, _tasks, _queues, _limit_keys, _units, _keys)
        AS g(id, enqueued, run_after, expires, priority, task, queue, limit_key, unit, key)
      WHERE g.unit = u AND g.key IS NULL;
      IF _requests[u] IS NOT NULL AND cardinality(found_ids) > 0 THEN
        UPDATE {schema}.request r SET ids = (
          SELECT array_agg(coalesce(f.id, g.id) ORDER BY g.n)
          FROM unnest(_ids, _units) WITH ORDINALITY AS g(id, unit, n)
          LEFT JOIN unnest(found_places, found_ids) AS f(n, id) ON f.n = g.n WHERE g.unit = u)
        WHERE r.key = _requests[u];
      END IF;
    EXCEPTION
      WHEN SQLSTATE 'CB010' THEN NULL;
      WHEN lock_not_available THEN outcome := 4;
    END;
    IF outcome IS NOT NULL THEN
      RETURN NEXT;
    ELSE
      RETURN QUERY SELECT u, 0::smallint, f.n, f.id, f.replaced, NULL::uuid[]
      FROM unnest(found_places, found_ids, found_replaced) AS f(n, id, replaced);
    END IF;
  END LOOP;
END $$;

-- As before, and keys are freed.
CREATE OR REPLACE FUNCTION {schema}.expire(_moment timestamptz) RETURNS uuid[] LANGUAGE plpgsql
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
  ), freed AS (
    DELETE FROM {schema}.unique_key u WHERE u.job = ANY(ARRAY(SELECT g.id FROM gone g WHERE g.keyed))
  ), counted AS (
    INSERT INTO {schema}.tally (queue, task, phase, hour, jobs)
    SELECT g.queue, g.task, 10, date_trunc('hour', _moment, 'UTC'), count(*) FROM gone g GROUP BY g.queue, g.task
  )
  SELECT array_agg(g.id) INTO ended FROM gone g;
  RETURN {schema}.unwatch(ended);
END $$;

-- Writes that runs came to a value, whatever was asked of them meanwhile; the numbers of those that were present with
-- their versions since, which of them are watched, and whether any has made room in a queue with limits.
DROP FUNCTION {schema}.succeed(uuid[], bigint[], timestamptz[], text[]);
CREATE FUNCTION {schema}.succeed(
  _ids uuid[], _runs bigint[], _starts timestamptz[], _values text[],
  OUT numbers integer[], OUT versions bigint[], OUT ended uuid[], OUT made_room boolean
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
  SELECT array_agg(g.n), array_agg(g.version), bool_or(g.limited) INTO numbers, versions, made_room FROM gone g;
  ended := {schema}.unwatch(_ids);
END $$;

-- As `put`, for jobs of which some have keys: which of them may still hold their unique key, and their limit keys.
CREATE FUNCTION {schema}.put_keyed(
  _ids uuid[], _from smallint[], _to smallint[], _phases smallint[], _versions bigint[], _runs bigint[],
  _states text[], _queues text[], _tasks text[], _ats timestamptz[], _expires timestamptz[], _ranks smallint[],
  _suspects boolean[], _asked boolean[], _finished timestamptz[], _values text[], _keyed boolean[], _limit_keys text[]
) RETURNS uuid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
  ended uuid[];
BEGIN
  ended := {schema}.put(_ids, _from, _to, _phases, _versions, _runs, _states, _queues, _tasks, _ats, _expires, _ranks,
    _suspects, _asked, _finished, _values);
  UPDATE {schema}.waiting w SET keyed = g.keyed, limit_key = g.limit_key
  FROM unnest(_ids, _to, _keyed, _limit_keys) AS g(id, becomes, keyed, limit_key)
  WHERE w.id = g.id AND g.becomes = 1 AND w.id = ANY(_ids) AND (g.keyed OR g.limit_key IS NOT NULL);
  DELETE FROM {schema}.unique_key u WHERE u.job = ANY(ARRAY(
    SELECT g.id FROM unnest(_ids, _keyed) AS g(id, keyed) WHERE NOT g.keyed));
  RETURN ended;
END $$;

-- As before, and requests and rates are forgotten whose time has passed.
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
  PERFORM {schema}.fold();
END $$;

-- Enqueues a job within the caller's transaction; its id, or that of the job that holds its unique key, which is asked
-- for by `unique_key`: held until the job has `finished` or `started`, at most for `unique_for`. `on_conflict` may also
-- be `reject`, an error then, or `replace`: the other one gets the arguments and the time, if it waits. Worker processes
-- are woken when the transaction commits.
DROP FUNCTION {schema}.enqueue(
  text, json, text, integer, timestamptz, integer, timestamptz, interval, json, text[], text, uuid, boolean, json);
CREATE FUNCTION {schema}.enqueue(
  task text, args json DEFAULT '{}', queue text DEFAULT 'default', priority integer DEFAULT 0,
  run_after timestamptz DEFAULT NULL, max_attempts integer DEFAULT 12, expires_at timestamptz DEFAULT NULL,
  timeout interval DEFAULT NULL, metadata json DEFAULT NULL, tags text[] DEFAULT NULL,
  traceparent text DEFAULT NULL, id uuid DEFAULT NULL, notify boolean DEFAULT true, details json DEFAULT NULL,
  unique_key text DEFAULT NULL, unique_until text DEFAULT 'finished', unique_for interval DEFAULT NULL,
  on_conflict text DEFAULT 'return', limit_key text DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  moment timestamptz := {schema}.now();
  name uuid := coalesce(id, {schema}.new_id(moment));
  tag text;
  rare text := details::text;
  uniqueness json;
  holder uuid;
  took_over boolean;
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
  IF octet_length(unique_key) NOT BETWEEN 1 AND 255 THEN
    RAISE EXCEPTION 'unique_key has % bytes: give 1 to 255', octet_length(unique_key)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF octet_length(limit_key) NOT BETWEEN 1 AND 255 THEN
    RAISE EXCEPTION 'limit_key has % bytes: give 1 to 255', octet_length(limit_key)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF unique_until IS NULL OR unique_until NOT IN ('finished', 'started') THEN
    RAISE EXCEPTION 'unique_until is %: give finished or started', coalesce(quote_literal(unique_until), 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF on_conflict IS NULL OR on_conflict NOT IN ('return', 'reject', 'replace') THEN
    RAISE EXCEPTION 'on_conflict is %: give return, reject or replace', coalesce(quote_literal(on_conflict), 'null')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF unique_for <= interval '0' THEN
    RAISE EXCEPTION 'unique_for is %: give a positive time, or leave it out', unique_for
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF rare IS NULL AND (max_attempts <> 12 OR timeout IS NOT NULL OR cardinality(tags) > 0 OR traceparent IS NOT NULL
    OR unique_key IS NOT NULL OR limit_key IS NOT NULL) THEN
    rare := json_strip_nulls(json_build_object(
      'timeout', CASE WHEN timeout IS NOT NULL THEN json_build_object(
        'secs', floor(extract(epoch FROM timeout))::bigint,
        'nanos', ((extract(epoch FROM timeout) - floor(extract(epoch FROM timeout))) * 1000000000)::integer) END,
      'retry', CASE WHEN max_attempts <> 12 THEN
        json_build_object('max_attempts', max_attempts, 'backoff', 'default') END,
      'tags', CASE WHEN cardinality(tags) > 0 THEN array_to_json(tags) END,
      'traceparent', traceparent,
      'unique', CASE WHEN unique_key IS NOT NULL THEN json_build_object(
        'key', task || ' ' || unique_key, 'until', unique_until, 'holds_until', moment + unique_for,
        'on_conflict', on_conflict) END,
      'limit_key', limit_key))::text;
  END IF;
  PERFORM {schema}.check_depth(queue, 1);
  uniqueness := rare::json -> 'unique';
  WHILE uniqueness ->> 'key' IS NOT NULL LOOP
    holder := {schema}.take_key(uniqueness ->> 'key', name, (uniqueness ->> 'holds_until')::timestamptz,
      coalesce(uniqueness ->> 'until' = 'started', false));
    EXIT WHEN holder IS NULL;
    took_over := uniqueness ->> 'on_conflict' = 'return';
    IF uniqueness ->> 'on_conflict' = 'replace' THEN
      took_over := {schema}.replace(holder, uniqueness ->> 'key', args::text, rare::json ->> 'limit_key', run_after);
      CONTINUE WHEN took_over IS NULL;
    END IF;
    IF NOT took_over THEN
      RAISE EXCEPTION 'job % has the same unique key and has not let go of it', holder
        USING ERRCODE = 'CB004', DETAIL = holder::text;
    END IF;
    RETURN holder;
  END LOOP;
  INSERT INTO {schema}.job (id, enqueued_at, run_after, expires_at, priority, task, queue, args, metadata, rare)
  VALUES (name, moment, run_after, expires_at, priority, task, queue, args::text, metadata::text, rare);
  INSERT INTO {schema}.waiting (id, at, expires_at, phase, rank, queue, task, limit_key, keyed)
  VALUES (name, greatest(moment, run_after), expires_at, CASE WHEN run_after > moment THEN 1 ELSE 2 END, -priority,
          queue, task, rare::json ->> 'limit_key', uniqueness ->> 'key' IS NOT NULL);
  IF notify THEN PERFORM pg_notify('{schema}.callboard', 'work'); END IF;
  RETURN name;
END $$;
