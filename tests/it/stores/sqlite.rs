//! The SQLite store: the suite on one handle and on two, then what is its own.

mod durable;
mod files;
mod follow;
mod keys;
mod rest;
mod shared;
mod support;

use std::sync::Arc;

use callboard::store::Store;
use callboard_tasks::conformance::Setup;
use callboard_tasks::{store_conformance, store_feature_conformance};

use self::support::{Kept, Turns, open_in, options};
use crate::support::Folder;

async fn open(setup: Setup) -> Arc<dyn Store> {
    let directory = Folder::new();
    let store = open_in(options(&directory.path().join("jobs.db"), &setup));
    Arc::new(Kept::new(store, directory))
}

/// Two handles on one file, as two processes would have; each operation goes to the next one in turn.
async fn open_two(setup: Setup) -> Arc<dyn Store> {
    let directory = Folder::new();
    let file = directory.path().join("jobs.db");
    let handles = [open_in(options(&file, &setup)), open_in(options(&file, &setup))];
    Arc::new(Kept::new(Turns::new(handles), directory))
}

store_conformance!(suite, open);
store_conformance!(two_handles, open_two);
store_feature_conformance!(features, open);
store_feature_conformance!(features_of_two_handles, open_two);
