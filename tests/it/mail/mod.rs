//! Mail with real servers: one of ours that fails as it is told to, and one of Python's.

mod cli;
mod django;
mod faults;
mod peer;
mod server;
mod story;
