-- Schedules: who declares them, and how far each has come. What a definition says is nothing to the database.

CREATE TABLE {schema}.schedule (
  name text COLLATE "C" PRIMARY KEY,
  -- What it was made of at run time.
  made text,
  -- What held last: another definition counts from when it came.
  held text,
  paused boolean NOT NULL DEFAULT false,
  since timestamptz NOT NULL,
  last_tick timestamptz
);

-- What each process declares.
CREATE TABLE {schema}.declaration (
  name text COLLATE "C" NOT NULL,
  worker uuid NOT NULL,
  definition text NOT NULL,
  PRIMARY KEY (name, worker)
);
CREATE INDEX declaration_worker ON {schema}.declaration (worker);

-- How often the list of schedules has changed. Who changes it locks this first, so there is one at a time.
CREATE TABLE {schema}.schedule_changes (one boolean PRIMARY KEY DEFAULT true CHECK (one), n bigint NOT NULL);
INSERT INTO {schema}.schedule_changes (n) VALUES (0);

-- All schedules that somebody declares or that were made; of several declarations that of the process with the largest
-- id holds.
CREATE VIEW {schema}.schedules AS
SELECT s.name, coalesce(d.definition, s.made) AS definition, d.definition IS NOT NULL AS declared, s.paused, s.since,
  s.last_tick
FROM {schema}.schedule s
LEFT JOIN LATERAL (
  SELECT o.definition FROM {schema}.declaration o WHERE o.name = s.name ORDER BY o.worker DESC LIMIT 1) d ON true
WHERE coalesce(d.definition, s.made) IS NOT NULL;

CREATE FUNCTION {schema}.settle_schedules(_moment timestamptz) RETURNS void LANGUAGE sql AS $$
  UPDATE {schema}.schedule s SET held = h.definition, since = _moment
  FROM {schema}.schedules h WHERE h.name = s.name AND h.definition IS DISTINCT FROM s.held
$$;

-- What a process declares, in place of what it did before.
CREATE FUNCTION {schema}.declare_schedules(_worker uuid, _names text[], _definitions text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  PERFORM FROM {schema}.worker w WHERE w.id = _worker FOR KEY SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the worker has no lease' USING ERRCODE = 'CB001'; END IF;
  UPDATE {schema}.schedule_changes c SET n = c.n + 1;
  DELETE FROM {schema}.declaration d WHERE d.worker = _worker;
  INSERT INTO {schema}.schedule (name, since) SELECT n.name, moment FROM unnest(_names) AS n(name)
  ON CONFLICT (name) DO NOTHING;
  INSERT INTO {schema}.declaration (name, worker, definition)
  SELECT n.name, _worker, n.definition FROM unnest(_names, _definitions) AS n(name, definition)
  ON CONFLICT (name, worker) DO UPDATE SET definition = excluded.definition;
  PERFORM {schema}.settle_schedules(moment);
END $$;

-- Makes a schedule at run time; without a definition it is made no more. Whether there was one.
CREATE FUNCTION {schema}.make_schedule(_name text, _definition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz := {schema}.now();
  was_made boolean;
BEGIN
  UPDATE {schema}.schedule_changes c SET n = c.n + 1;
  was_made := EXISTS (SELECT FROM {schema}.schedule s WHERE s.name = _name AND s.made IS NOT NULL);
  IF _definition IS NULL THEN
    UPDATE {schema}.schedule s SET made = NULL WHERE s.name = _name;
  ELSE
    INSERT INTO {schema}.schedule (name, made, since) VALUES (_name, _definition, moment)
    ON CONFLICT (name) DO UPDATE SET made = excluded.made;
  END IF;
  PERFORM {schema}.settle_schedules(moment);
  RETURN was_made;
END $$;

-- Stops a schedule or lets it go on: its ticks from now on. Whether there is one.
CREATE FUNCTION {schema}.pause_schedule(_name text, _paused boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  UPDATE {schema}.schedule_changes c SET n = c.n + 1;
  UPDATE {schema}.schedule s SET paused = _paused, since = CASE WHEN _paused THEN s.since ELSE moment END
  WHERE s.name = _name AND s.paused <> _paused;
  RETURN EXISTS (SELECT FROM {schema}.schedules h WHERE h.name = _name);
END $$;

-- Moves the last tick of a schedule on. Whether it was the one that the caller knew, and ticks are taken at all.
CREATE FUNCTION {schema}.tick(_name text, _after timestamptz, _at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE {schema}.schedule s SET last_tick = _at
  WHERE s.name = _name AND NOT s.paused AND s.last_tick IS NOT DISTINCT FROM _after
    AND EXISTS (SELECT FROM {schema}.schedules h WHERE h.name = s.name);
  RETURN FOUND;
END $$;

-- As before, and the process declares nothing any more.
CREATE OR REPLACE FUNCTION {schema}.unregister(_worker uuid, _only_lapsed boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := {schema}.now();
BEGIN
  DELETE FROM {schema}.worker w WHERE w.id = _worker AND (NOT _only_lapsed OR w.lease_ends <= moment);
  IF NOT FOUND THEN RETURN false; END IF;
  DELETE FROM {schema}.worker_tasks t WHERE t.worker = _worker;
  IF EXISTS (SELECT FROM {schema}.declaration d WHERE d.worker = _worker) THEN
    UPDATE {schema}.schedule_changes c SET n = c.n + 1;
    DELETE FROM {schema}.declaration d WHERE d.worker = _worker;
    PERFORM {schema}.settle_schedules(moment);
  END IF;
  RETURN true;
END $$;

-- What a beat brings back besides: when a rate lets something start, all limits, and how often the list of schedules has
-- changed.
CREATE FUNCTION {schema}.facts(_moment timestamptz)
RETURNS TABLE (rates_free_at timestamptz, limited text[], limits text[], changes bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  SELECT array_agg(l.queue::text), array_agg(l.definition) INTO limited, limits FROM {schema}.limits l;
  IF limited IS NOT NULL THEN rates_free_at := {schema}.rates_free_at(_moment); END IF;
  changes := (SELECT c.n FROM {schema}.schedule_changes c);
  RETURN NEXT;
END $$;
