-- Jobs that did not end well are few among many that did, and they are the ones that people look for: lists of them, and
-- what is done to all of them, read along this index.
CREATE INDEX done_failures ON {schema}.done (id) WHERE phase > 7;
