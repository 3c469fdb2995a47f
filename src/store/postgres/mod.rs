//! Jobs in a PostgreSQL database: for many machines.
