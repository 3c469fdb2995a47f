//! The durable stores against the suite that every store must pass, and against the world: other processes, crashes,
//! full disks, broken connections.

mod postgres;
mod sqlite;
