-- The order of ends while somebody follows: how far it goes, and until when it is kept. Numbers only grow.
CREATE TABLE callboard_follow (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    last INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

CREATE TABLE callboard_ended (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL
) STRICT;
