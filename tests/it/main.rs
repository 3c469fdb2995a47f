//! The real binary over real sockets. The list of modules is the contents page.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "these are tests")]

mod support;

mod api;
mod bulk;
mod cli;
mod crash;
mod cron;
mod durable;
mod ends;
mod examples;
mod foreign;
mod hostile;
mod interface;
mod load;
mod mail;
mod serve;
mod settings;
mod stores;
mod waiting;
mod worker;
