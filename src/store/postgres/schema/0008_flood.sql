-- A claim of a queue that is limited by key looks at a bounded part of its line, however many jobs a full key holds back.

-- The line of each limit key, by which those that have room are found behind what others hold back.
DROP INDEX {schema}.waiting_keys;
CREATE INDEX waiting_key_line ON {schema}.waiting (queue, limit_key, rank, at, id) WHERE phase = 2 AND limit_key IS NOT NULL;

-- Where claims go on that could not look at everything: behind this key, and behind this place of the line, whose end was
-- reached at that time.
ALTER TABLE {schema}.limits
  ADD COLUMN next_key text COLLATE "C",
  ADD COLUMN look_rank smallint,
  ADD COLUMN look_at timestamptz,
  ADD COLUMN look_id uuid,
  ADD COLUMN lap_ended timestamptz;

-- The limit keys of ready jobs of a queue that come after one, each found by one step in the index.
CREATE FUNCTION {schema}.keys_after(_queue text, _key text, _most integer) RETURNS text[] LANGUAGE sql STABLE AS $$
  WITH RECURSIVE walk(key) AS (
    (SELECT w.limit_key FROM {schema}.waiting w
     WHERE w.phase = 2 AND w.limit_key IS NOT NULL AND w.queue = _queue AND w.limit_key > _key
     ORDER BY w.queue, w.limit_key LIMIT 1)
    UNION ALL
    SELECT (SELECT w.limit_key FROM {schema}.waiting w
            WHERE w.phase = 2 AND w.limit_key IS NOT NULL AND w.queue = _queue AND w.limit_key > k.key
            ORDER BY w.queue, w.limit_key LIMIT 1)
    FROM walk k WHERE k.key IS NOT NULL
  )
  SELECT ARRAY(SELECT k.key::text FROM walk k WHERE k.key IS NOT NULL LIMIT _most)
$$;

-- Takes up to `_want` ready jobs of a queue that is limited by key, in order, and locks them: where their rows are. What
-- its key holds back is passed over, all of that key at once.
--
-- The first 500 entries of the line are looked at. If they were not enough, jobs of keys that have room are taken by the
-- lines of these keys: those of 512 keys at a time. Jobs without a key have no line of their own: they are looked for
-- among 1,024 entries further on, from where the last claim has come to; `more` is told while that is not the end. What
-- comes to stand before that place is met at the next lap, ten seconds after the last.
DROP FUNCTION {schema}.take_by_key(text, text[], timestamptz, integer, boolean);
CREATE FUNCTION {schema}.take_by_key(
  _name text, _known text[], _moment timestamptz, _want integer, _suspects boolean, OUT got tid[], OUT more boolean
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  entries CONSTANT integer := 500 + _want;
  most_keys CONSTANT integer := 512;
  further CONSTANT integer := 1024;
  lim {schema}.limits%ROWTYPE;
  name text COLLATE "C" := _name;
  -- The keys that were met with what they leave, and those that leave nothing.
  keys text[] := '{}';
  rooms integer[] := '{}';
  full_keys text[] := '{}';
  seen integer := 0;
  place tid;
  key text COLLATE "C";
  r smallint;
  a timestamptz;
  i uuid;
  fits boolean;
  -- How far the line was looked at.
  last_r smallint;
  last_a timestamptz;
  last_i uuid;
  n integer;
  suspect tid;
  suspect_key text COLLATE "C";
  s_r smallint;
  s_a timestamptz;
  s_i uuid;
  others text[];
  next_from text;
  open_keys text[];
  open_rooms integer[];
  free tid[];
  looked_at bigint;
  late tid[];
BEGIN
  got := '{}';
  more := false;
  SELECT l.* INTO lim FROM {schema}.limits l WHERE l.queue = name;
  IF _suspects THEN
    SELECT w.ctid, w.limit_key, w.rank, w.at, w.id INTO suspect, suspect_key, s_r, s_a, s_i FROM {schema}.waiting w
    WHERE w.phase = 2 AND w.suspect AND w.queue = name AND w.task = ANY(_known)
      AND (w.expires_at IS NULL OR w.expires_at > _moment)
      AND (w.limit_key IS NULL OR {schema}.room_of_key(lim, w.limit_key, _moment) > 0)
    ORDER BY w.rank, w.at, w.id LIMIT 1;
  END IF;
  FOR place, key, r, a, i, fits IN
    (SELECT w.ctid, w.limit_key, w.rank, w.at, w.id,
            w.task = ANY(_known) AND (w.expires_at IS NULL OR w.expires_at > _moment)
     FROM {schema}.waiting w WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name
     ORDER BY w.rank, w.at, w.id LIMIT entries)
    UNION ALL
    -- The end of it.
    SELECT NULL, NULL, 1000::smallint, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', false
  LOOP
    IF suspect IS NOT NULL AND (s_r, s_a, s_i) < (r, a, i) THEN
      n := array_position(keys, suspect_key::text);
      IF suspect_key IS NOT NULL AND n IS NULL THEN
        keys := keys || suspect_key::text;
        n := cardinality(keys);
        rooms[n] := {schema}.room_of_key(lim, suspect_key, _moment);
      END IF;
      IF n IS NULL OR rooms[n] > 0 THEN
        got := got || suspect;
        IF n IS NOT NULL THEN rooms[n] := rooms[n] - 1; END IF;
      END IF;
      suspect := NULL;
      EXIT WHEN cardinality(got) >= _want;
    END IF;
    EXIT WHEN place IS NULL;
    seen := seen + 1;
    last_r := r;
    last_a := a;
    last_i := i;
    CONTINUE WHEN NOT fits OR key = ANY(full_keys);
    IF key IS NOT NULL THEN
      n := array_position(keys, key::text);
      IF n IS NULL THEN
        keys := keys || key::text;
        n := cardinality(keys);
        rooms[n] := {schema}.room_of_key(lim, key, _moment);
      END IF;
      IF rooms[n] <= 0 THEN
        full_keys := full_keys || key::text;
        CONTINUE;
      END IF;
      rooms[n] := rooms[n] - 1;
    END IF;
    got := got || place;
    EXIT WHEN cardinality(got) >= _want;
  END LOOP;

  IF cardinality(got) < _want AND seen >= entries THEN
    others := {schema}.keys_after(name, coalesce(lim.next_key, ''), most_keys);
    IF lim.next_key IS NOT NULL THEN
      others := others || ARRAY(
        SELECT k.key FROM unnest({schema}.keys_after(name, '', most_keys - cardinality(others))) AS k(key)
        WHERE k.key COLLATE "C" <= lim.next_key);
    END IF;
    IF cardinality(others) >= most_keys THEN next_from := others[most_keys]; END IF;
    SELECT array_agg(c.key), array_agg(c.room) INTO open_keys, open_rooms FROM (
      SELECT o.key, coalesce(p.room, least(
        CASE WHEN lim.key_concurrency IS NOT NULL THEN lim.key_concurrency - (
          SELECT count(*)::integer FROM (
            SELECT FROM {schema}.running u
            WHERE u.limit_key IS NOT NULL AND u.queue = name AND u.limit_key = o.key LIMIT lim.key_concurrency) c) END,
        CASE WHEN lim.key_rate_count IS NOT NULL THEN
          {schema}.permits(name, o.key, lim.key_rate_count, lim.key_rate_step, _moment) END)) AS room
      FROM unnest(others) AS o(key) LEFT JOIN unnest(keys, rooms) AS p(key, room) ON p.key = o.key
    ) c WHERE c.room > 0;

    -- Jobs without a key: behind what was looked at, or where the last claim has come to.
    IF lim.look_rank IS NULL OR lim.lap_ended <= _moment - interval '10 seconds'
      OR (lim.look_rank, lim.look_at, lim.look_id) < (last_r, last_a, last_i)
    THEN
      lim.look_rank := last_r;
      lim.look_at := last_a;
      lim.look_id := last_i;
      lim.lap_ended := NULL;
    END IF;
    WITH part AS MATERIALIZED (
      SELECT w.ctid AS place, w.limit_key, w.rank, w.at, w.id, w.task, w.expires_at FROM {schema}.waiting w
      WHERE w.phase = 2 AND NOT w.suspect AND w.queue = name
        AND (w.rank, w.at, w.id) > (lim.look_rank, lim.look_at, lim.look_id)
      ORDER BY w.rank, w.at, w.id LIMIT further
    )
    SELECT ARRAY(
             SELECT p.place FROM part p WHERE p.limit_key IS NULL AND p.task = ANY(_known)
               AND (p.expires_at IS NULL OR p.expires_at > _moment)
             ORDER BY p.rank, p.at, p.id LIMIT _want - cardinality(got)),
           (SELECT count(*) FROM part), e.rank, e.at, e.id
    INTO free, looked_at, r, a, i
    FROM (SELECT) one LEFT JOIN LATERAL (
      SELECT p.rank, p.at, p.id FROM part p ORDER BY p.rank DESC, p.at DESC, p.id DESC LIMIT 1) e ON true;

    late := ARRAY(
      SELECT c.place FROM (
        SELECT x.* FROM unnest(open_keys, open_rooms) AS o(key, room) CROSS JOIN LATERAL (
          SELECT w.ctid AS place, w.rank, w.at, w.id FROM {schema}.waiting w
          WHERE w.phase = 2 AND NOT w.suspect AND w.limit_key IS NOT NULL AND w.queue = name AND w.limit_key = o.key
            AND (w.rank, w.at, w.id) > (last_r, last_a, last_i)
            AND w.task = ANY(_known) AND (w.expires_at IS NULL OR w.expires_at > _moment)
          ORDER BY w.rank, w.at, w.id LIMIT least(o.room, _want - cardinality(got))) x
        UNION ALL
        SELECT w.ctid, w.rank, w.at, w.id FROM {schema}.waiting w WHERE w.ctid = ANY(free)
      ) c ORDER BY c.rank, c.at, c.id LIMIT _want - cardinality(got));
    got := got || late;
    IF late @> free AND cardinality(free) < _want THEN
      -- All of them were taken, so nothing is left behind.
      IF looked_at > 0 THEN
        lim.look_rank := r;
        lim.look_at := a;
        lim.look_id := i;
      END IF;
      more := looked_at >= further;
      lim.lap_ended := CASE WHEN NOT more THEN coalesce(lim.lap_ended, _moment) END;
    END IF;
    UPDATE {schema}.limits l
    SET next_key = next_from, look_rank = lim.look_rank, look_at = lim.look_at, look_id = lim.look_id,
        lap_ended = lim.lap_ended
    WHERE l.queue = name;
  END IF;
  got := ARRAY(
    SELECT w.ctid FROM {schema}.waiting w WHERE w.ctid = ANY(got) AND w.phase = 2
    ORDER BY w.rank, w.at, w.id FOR UPDATE SKIP LOCKED);
END $$;

-- As before, and the next claim is due soon where this one could not look at everything.
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
  -- Whether there is more to look at behind what limits hold back.
  go_on boolean := false;
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
      SELECT t.got, t.more OR go_on INTO got, go_on
      FROM {schema}.take_by_key(name, known, moment, least(rooms[n], _limit), NOT alone) t;
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
    IF go_on THEN next_due := least(next_due, moment + interval '5 milliseconds'); END IF;
  END IF;
  id := NULL;
  ended := expired;
  steps := {schema}.stepped() - before - cardinality(picked);
  RETURN NEXT;
END $$;
