//! The memory store passes the suite that every store must pass; and so does its bound on finished jobs.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use callboard_tasks::conformance::Setup;
use callboard_tasks::{MemoryOptions, MemoryStore, Store, store_conformance};

async fn open(setup: Setup) -> Arc<dyn Store> {
    let options = MemoryOptions {
        keep_successful: setup.keep_successful,
        keep_failed: setup.keep_failed,
        ..MemoryOptions::default()
    };
    Arc::new(MemoryStore::new(setup.clock, options))
}

store_conformance!(memory, open);
