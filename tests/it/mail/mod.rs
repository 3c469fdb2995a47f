//! Mail with real servers: one of ours that fails as it is told to, and one of Python's.

mod bounces;
mod cli;
mod django;
mod dkim;
mod faults;
mod large;
mod late;
mod peer;
mod previews;
mod server;
mod story;
