//! The PostgreSQL store, against a real server.

mod behind;
mod cost;
mod crowd;
mod follow;
mod handles;
mod keys;
mod limits;
mod loser;
mod lost;
mod pooler;
pub(super) mod private;
pub(super) mod server;
mod snapshot;
mod trouble;
mod within;
pub(super) mod world;

use std::sync::Arc;

use callboard::store::Store;
use callboard::store::postgres::PostgresOptions;
use callboard_tasks::conformance::Setup;

use self::handles::Handles;
use self::server::server;

/// How a case is opened: in a schema of its own.
fn options(setup: &Setup, url: &str) -> PostgresOptions {
    let mut options = server::fresh(url);
    options.clock = setup.clock.clone();
    options.keep_successful = setup.keep_successful;
    options.keep_failed = setup.keep_failed;
    options
}

async fn open(setup: Setup) -> Arc<dyn Store> {
    Arc::new(Handles::open(options(&setup, server()), 1).await)
}

/// Through a pooler that gives each transaction another connection; the schema is dropped past it.
async fn open_pooled(setup: Setup) -> Arc<dyn Store> {
    let mut options = options(&setup, pooler::pooler());
    options.pooler = true;
    options.listen_url = Some(server().to_owned());
    Arc::new(Handles::open(options, 1).await)
}

async fn open_two(setup: Setup) -> Arc<dyn Store> {
    Arc::new(Handles::open(options(&setup, server()), 2).await)
}

callboard_tasks::store_conformance!(direct, open);
callboard_tasks::store_conformance!(two_handles, open_two);
callboard_tasks::store_conformance!(pgbouncer, open_pooled);
callboard_tasks::store_feature_conformance!(direct_features, open);
callboard_tasks::store_feature_conformance!(two_handles_features, open_two);
callboard_tasks::store_feature_conformance!(pgbouncer_features, open_pooled);
