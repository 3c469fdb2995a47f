-- What the limits of queues leave to be started. A running job is its own permit: nothing is kept of it but its row.

-- How many more may start now by a rate: so many, a step of so many microseconds each.
CREATE FUNCTION {schema}.permits(_queue text, _key text, _count integer, _step bigint, _moment timestamptz)
RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
  next timestamptz := (SELECT r.next FROM {schema}.rate r WHERE r.queue = _queue AND r.key = _key);
  ahead bigint := greatest(0, coalesce(round(extract(epoch FROM next - _moment) * 1000000)::bigint, 0));
BEGIN
  RETURN least(greatest(0, _step * _count - ahead) / _step, 2147483647);
END $$;

-- How many more jobs of a queue may start now, leaving keys aside. Its row of limits is locked.
CREATE FUNCTION {schema}.room_of(_limits {schema}.limits, _moment timestamptz) RETURNS integer LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  room integer := 2147483647;
  used integer;
BEGIN
  IF _limits.concurrency IS NOT NULL THEN
    SELECT count(*) INTO used FROM (
      SELECT FROM {schema}.running r WHERE r.limited AND r.queue = _limits.queue LIMIT _limits.concurrency) c;
    room := _limits.concurrency - used;
  END IF;
  IF room > 0 AND _limits.rate_count IS NOT NULL THEN
    room := least(room, {schema}.permits(_limits.queue, '', _limits.rate_count, _limits.rate_step, _moment));
  END IF;
  RETURN room;
END $$;

-- How many more jobs of a queue with that limit key may start now.
CREATE FUNCTION {schema}.room_of_key(_limits {schema}.limits, _key text, _moment timestamptz) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  room integer := 2147483647;
  used integer;
BEGIN
  IF _limits.key_concurrency IS NOT NULL THEN
    SELECT count(*) INTO used FROM (
      SELECT FROM {schema}.running r
      WHERE r.limit_key IS NOT NULL AND r.queue = _limits.queue AND r.limit_key = _key
      LIMIT _limits.key_concurrency) c;
    room := _limits.key_concurrency - used;
  END IF;
  IF room > 0 AND _limits.key_rate_count IS NOT NULL THEN
    room := least(room,
      {schema}.permits(_limits.queue, _key, _limits.key_rate_count, _limits.key_rate_step, _moment));
  END IF;
  RETURN room;
END $$;

-- Takes up to `_want` ready jobs of a queue that is limited by key, in order, and locks them: where their rows are. What
-- its key holds back is passed over, all of that key at once.
CREATE FUNCTION {schema}.take_by_key(
  _name text, _known text[], _moment timestamptz, _want integer, _suspects boolean
) RETURNS tid[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  lim {schema}.limits%ROWTYPE;
  name text COLLATE "C" := _name;
  got tid[] := '{}';
  -- The keys that were met with what they leave, and those that leave nothing.
  keys text[] := '{}';
  rooms integer[] := '{}';
  full_keys text[] := '{}';
  place tid;
  key text COLLATE "C";
  r smallint := -1000;
  a timestamptz := '-infinity';
  i uuid := '00000000-0000-0000-0000-000000000000';
  n integer;
  suspect tid;
  suspect_key text COLLATE "C";
  s_r smallint;
  s_a timestamptz;
  s_i uuid;
BEGIN
  SELECT l.* INTO lim FROM {schema}.limits l WHERE l.queue = name;
  IF _suspects THEN
    SELECT w.ctid, w.limit_key, w.rank, w.at, w.id INTO suspect, suspect_key, s_r, s_a, s_i FROM {schema}.waiting w
    WHERE w.phase = 2 AND w.suspect AND w.queue = name AND w.task = ANY(_known)
      AND (w.expires_at IS NULL OR w.expires_at > _moment)
      AND (w.limit_key IS NULL OR {schema}.room_of_key(lim, w.limit_key, _moment) > 0)
    ORDER BY w.rank, w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  WHILE cardinality(got) < _want LOOP
    SELECT w.ctid, w.limit_key, w.rank, w.at, w.id INTO place, key, r, a, i FROM {schema}.waiting w
    WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name AND (w.rank, w.at, w.id) > (r, a, i)
      AND (w.limit_key IS NULL OR w.limit_key <> ALL(full_keys))
      AND w.task = ANY(_known) AND (w.expires_at IS NULL OR w.expires_at > _moment)
    ORDER BY w.rank, w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    EXIT WHEN place IS NULL AND suspect IS NULL;
    IF suspect IS NOT NULL AND (place IS NULL OR (s_r, s_a, s_i) < (r, a, i)) THEN
      -- The other one is met again.
      place := suspect;
      key := suspect_key;
      r := s_r;
      a := s_a;
      i := s_i;
      suspect := NULL;
    END IF;
    IF key IS NOT NULL THEN
      n := array_position(keys, key::text);
      IF n IS NULL THEN
        keys := keys || key::text;
        n := cardinality(keys);
        rooms[n] := {schema}.room_of_key(lim, key, _moment);
      END IF;
      IF rooms[n] <= 0 THEN
        IF key <> ALL(full_keys) THEN full_keys := full_keys || key::text; END IF;
        CONTINUE;
      END IF;
      rooms[n] := rooms[n] - 1;
    END IF;
    got := got || place;
  END LOOP;
  RETURN got;
END $$;

-- Jobs are about to start: the rates of their queues and keys move on.
CREATE FUNCTION {schema}.count_starts(_queues text[], _picked tid[], _moment timestamptz) RETURNS void LANGUAGE sql
SET enable_seqscan = off SET enable_mergejoin = off SET jit = off AS $$
  INSERT INTO {schema}.rate (queue, key, next)
  SELECT l.queue, '', _moment + count(*) * l.rate_step * interval '1 microsecond'
  FROM {schema}.waiting w JOIN {schema}.limits l ON l.queue = w.queue
  WHERE w.ctid = ANY(_picked) AND l.queue = ANY(_queues) AND l.rate_count IS NOT NULL
  GROUP BY l.queue, l.rate_step
  ON CONFLICT (queue, key) DO UPDATE SET next = greatest(rate.next, _moment) + (excluded.next - _moment);
  INSERT INTO {schema}.rate (queue, key, next)
  SELECT l.queue, w.limit_key, _moment + count(*) * l.key_rate_step * interval '1 microsecond'
  FROM {schema}.waiting w JOIN {schema}.limits l ON l.queue = w.queue
  WHERE w.ctid = ANY(_picked) AND l.queue = ANY(_queues) AND l.key_rate_count IS NOT NULL AND w.limit_key IS NOT NULL
  GROUP BY l.queue, w.limit_key, l.key_rate_step
  ON CONFLICT (queue, key) DO UPDATE SET next = greatest(rate.next, _moment) + (excluded.next - _moment);
$$;

-- When something that a rate holds back may start: no later than the first of them can.
CREATE FUNCTION {schema}.rates_free_at(_moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  lim {schema}.limits%ROWTYPE;
  at timestamptz;
  first timestamptz;
BEGIN
  FOR lim IN
    SELECT l.* FROM {schema}.limits l WHERE (l.rate_count IS NOT NULL OR l.key_rate_count IS NOT NULL)
      AND NOT EXISTS (SELECT FROM {schema}.paused p WHERE p.queue = l.queue)
      AND (EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = l.queue)
        OR EXISTS (SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect AND w.queue = l.queue))
  LOOP
    at := NULL;
    IF lim.rate_count IS NOT NULL THEN
      SELECT r.next - lim.rate_step * (lim.rate_count - 1) * interval '1 microsecond' INTO at
      FROM {schema}.rate r WHERE r.queue = lim.queue AND r.key = '';
    END IF;
    IF lim.key_rate_count IS NOT NULL AND (at IS NULL OR at <= _moment) THEN
      SELECT min(r.next) - lim.key_rate_step * (lim.key_rate_count - 1) * interval '1 microsecond' INTO at
      FROM {schema}.rate r
      WHERE r.queue = lim.queue AND r.key > ''
        AND r.next > _moment + lim.key_rate_step * (lim.key_rate_count - 1) * interval '1 microsecond'
        AND EXISTS (
          SELECT FROM {schema}.waiting w
          WHERE w.phase = 2 AND w.limit_key IS NOT NULL AND w.queue = lim.queue AND w.limit_key = r.key);
    END IF;
    IF at > _moment THEN first := least(first, at); END IF;
  END LOOP;
  RETURN first;
END $$;

-- Gives due jobs to a worker process: from each ready queue in turn its share, then the best of what is left, and of a
-- queue with limits what these leave. Of such a queue there is one claim at a time. The last row has no id; it tells the time of the claim, when the next job is due, which queue was served last, which watched
-- jobs have expired, how many entries were stepped over in vain, and where the lines begin since (`heads`).
CREATE OR REPLACE FUNCTION {schema}.claim(
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
  -- The queues whose starts are limited, and those where they are by key; what these could give beyond their share.
  limited text[] := '{}';
  by_key text[] := '{}';
  spare tid[] := '{}';
  lim {schema}.limits%ROWTYPE;
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

  IF cardinality(names) > 0 AND EXISTS (SELECT FROM {schema}.limits l WHERE l.starts) THEN
    -- What others have claimed of them is committed, and counted, when the locks are had.
    PERFORM FROM {schema}.limits l WHERE l.starts AND l.queue = ANY(names) ORDER BY l.queue FOR UPDATE;
    FOR lim IN SELECT l.* FROM {schema}.limits l WHERE l.starts AND l.queue = ANY(names) LOOP
      n := array_position(names, lim.queue::text);
      rooms[n] := least(rooms[n], {schema}.room_of(lim, moment));
      limited := limited || lim.queue::text;
      IF lim.by_key THEN by_key := by_key || lim.queue::text; END IF;
    END LOOP;
    SELECT coalesce(array_agg(q.name ORDER BY q.n), '{}'), coalesce(array_agg(q.room ORDER BY q.n), '{}')
    INTO names, rooms
    FROM unnest(names, rooms) WITH ORDINALITY AS q(name, room, n) WHERE q.room > 0;
  END IF;

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
    IF name = ANY(by_key) THEN
      got := {schema}.take_by_key(name, known, moment, rooms[n], NOT alone);
      IF NOT alone THEN
        alone := EXISTS (SELECT FROM {schema}.waiting w WHERE w.ctid = ANY(got[:want]) AND w.suspect);
      END IF;
      spare := spare || ARRAY(SELECT w.ctid FROM {schema}.waiting w WHERE w.ctid = ANY(got[want + 1:]) AND NOT w.suspect);
      got := got[:want];
      IF cardinality(got) > 0 THEN
        picked := picked || got;
        last_queue := name;
      END IF;
      at_ranks := at_ranks || NULL::smallint;
      at_ats := at_ats || NULL::timestamptz;
      at_ids := at_ids || NULL::uuid;
      rooms[n] := 0;
      CONTINUE;
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

  IF (left_over OR cardinality(spare) > 0) AND cardinality(picked) < _limit THEN
    want := _limit - cardinality(picked);
    more := ARRAY(
      SELECT d.ctid FROM (
        SELECT c.*, row_number() OVER (PARTITION BY c.queue ORDER BY c.rank, c.at, c.id) AS place FROM (
          SELECT x.*, q.name AS queue, q.room
          FROM unnest(names, rooms, at_ranks, at_ats, at_ids) AS q(name, room, rank, at, id)
          CROSS JOIN LATERAL (
            SELECT w.ctid, w.rank, w.at, w.id FROM {schema}.waiting w
            WHERE w.phase = 2 AND NOT w.suspect AND w.queue = q.name AND w.task = ANY(known)
              AND (w.expires_at IS NULL OR w.expires_at > moment) AND (w.rank, w.at, w.id) > (q.rank, q.at, q.id)
            ORDER BY w.rank, w.at, w.id LIMIT least(q.room, want)
          ) x WHERE q.room > 0
          UNION ALL
          SELECT s.* FROM (
            SELECT w.ctid, w.rank, w.at, w.id, q.name AS queue, q.room FROM unnest(names, rooms) AS q(name, room)
            JOIN {schema}.waiting w ON w.queue = q.name AND w.phase = 2 AND w.suspect
            WHERE NOT alone AND q.room > 0 AND w.task = ANY(known) AND (w.expires_at IS NULL OR w.expires_at > moment)
            ORDER BY w.rank, w.at, w.id LIMIT 1
          ) s
          UNION ALL
          SELECT w.ctid, w.rank, w.at, w.id, w.queue, _limit FROM {schema}.waiting w WHERE w.ctid = ANY(spare)
        ) c
      ) d WHERE d.place <= d.room ORDER BY d.rank, d.at, d.id LIMIT want);
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
    IF cardinality(limited) > 0 THEN PERFORM {schema}.count_starts(limited, picked, moment); END IF;
    RETURN QUERY
    WITH gone AS (
      DELETE FROM {schema}.waiting w WHERE w.ctid = ANY(picked)
      RETURNING w.id, w.run, w.version, w.suspect, w.queue, w.task, w.state, w.keyed, w.limit_key
    ), kept AS (
      INSERT INTO {schema}.running
        (id, worker, claimed_at, run, version, batch, suspect, queue, task, state, keyed, limit_key, limited)
      SELECT g.id, _worker, moment, g.run + 1, g.version + 1, _batch, g.suspect, g.queue, g.task, g.state, g.keyed,
             g.limit_key, g.queue = ANY(limited)
      FROM gone g
    ), freed AS (
      DELETE FROM {schema}.unique_key u
      WHERE u.job = ANY(ARRAY(SELECT g.id FROM gone g WHERE g.keyed)) AND u.until_started
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
    next_due := least(next_due, {schema}.rates_free_at(moment));
  END IF;
  id := NULL;
  ended := expired;
  steps := {schema}.stepped() - before - cardinality(picked);
  RETURN NEXT;
END $$;

-- Sets the limits of a queue; without a definition there are none. What runs there counts, claims that are under way are
-- added by `count_running`.
CREATE FUNCTION {schema}.limit_queue(
  _queue text, _definition text, _concurrency integer, _rate_count integer, _rate_step bigint,
  _key_concurrency integer, _key_rate_count integer, _key_rate_step bigint, _depth bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  by_key boolean := _key_concurrency IS NOT NULL OR _key_rate_count IS NOT NULL;
BEGIN
  IF _definition IS NULL THEN
    DELETE FROM {schema}.limits l WHERE l.queue = _queue;
    RETURN;
  END IF;
  INSERT INTO {schema}.limits
  VALUES (_queue, _definition, _concurrency, _rate_count, _rate_step, _key_concurrency, _key_rate_count,
          _key_rate_step, _depth,
          by_key OR _concurrency IS NOT NULL OR _rate_count IS NOT NULL, by_key)
  ON CONFLICT (queue) DO UPDATE SET
    definition = excluded.definition, concurrency = excluded.concurrency, rate_count = excluded.rate_count,
    rate_step = excluded.rate_step, key_concurrency = excluded.key_concurrency,
    key_rate_count = excluded.key_rate_count, key_rate_step = excluded.key_rate_step, depth = excluded.depth,
    starts = excluded.starts, by_key = excluded.by_key;
END $$;

-- Counts what runs in queues with limits and was claimed when they had none.
CREATE FUNCTION {schema}.count_running() RETURNS void LANGUAGE sql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
  UPDATE {schema}.running r SET limited = true
  WHERE r.id = ANY(ARRAY(
    SELECT o.id FROM {schema}.running o WHERE NOT o.limited
      AND o.queue = ANY(ARRAY(SELECT l.queue FROM {schema}.limits l WHERE l.starts))
    ORDER BY o.id FOR UPDATE))
$$;

-- What stands before a job of that queue, limit key and task, at that place in the line.
CREATE FUNCTION {schema}.inquire(
  _queue text, _limit_key text, _task text, _rank smallint, _at timestamptz, _id uuid
) RETURNS TABLE (
  moment timestamptz, paused boolean, limits text, running bigint, running_with_key bigint, holders uuid[],
  next timestamptz, key_next timestamptz, workers bigint, able bigint, ahead bigint
) LANGUAGE plpgsql STABLE
SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  more bigint;
  by_key boolean;
BEGIN
  moment := {schema}.now();
  paused := EXISTS (SELECT FROM {schema}.paused p WHERE p.queue = _queue);
  SELECT l.definition, l.by_key INTO limits, by_key FROM {schema}.limits l WHERE l.queue = _queue;
  SELECT count(*) INTO running FROM {schema}.running r WHERE r.queue = _queue;
  SELECT count(*) INTO running_with_key FROM {schema}.running r
  WHERE r.queue = _queue AND r.limit_key IS NOT NULL AND r.limit_key = _limit_key;
  IF by_key AND _limit_key IS NOT NULL THEN
    holders := ARRAY(
      SELECT r.id FROM {schema}.running r WHERE r.queue = _queue AND r.limit_key IS NOT NULL AND r.limit_key = _limit_key
      ORDER BY r.id DESC LIMIT 5);
  ELSE
    holders := ARRAY(SELECT r.id FROM {schema}.running r WHERE r.queue = _queue ORDER BY r.id DESC LIMIT 5);
  END IF;
  SELECT r.next INTO next FROM {schema}.rate r WHERE r.queue = _queue AND r.key = '';
  SELECT r.next INTO key_next FROM {schema}.rate r WHERE r.queue = _queue AND r.key > '' AND r.key = _limit_key;
  SELECT count(*), count(*) FILTER (WHERE t.tasks @> ARRAY[_task]) INTO workers, able
  FROM {schema}.worker w LEFT JOIN {schema}.worker_tasks t ON t.worker = w.id WHERE w.lease_ends > moment;
  SELECT count(*) INTO ahead FROM (
    SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = _queue
      AND (w.rank, w.at, w.id) < (_rank, _at, _id) LIMIT 10000) c;
  SELECT count(*) INTO more FROM (
    SELECT FROM {schema}.waiting w WHERE w.phase = 2 AND w.suspect AND w.queue = _queue
      AND (w.rank, w.at, w.id) < (_rank, _at, _id) LIMIT 10000) c;
  ahead := least(ahead + more, 10000);
  RETURN NEXT;
END $$;
