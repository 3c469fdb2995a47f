//! Paths of our own routes, wherever they are mounted.

use actix_web::http::header::HeaderValue;
use callboard_tasks::JobId;

/// What stands before our own path `own` in the path of a request: the place where the routes are mounted, empty
/// at the root.
pub(crate) fn prefix_before<'a>(path: &'a str, own: &str) -> &'a str {
    path.rfind(own).map_or("", |at| &path[..at])
}

/// The path of a task.
pub(crate) fn task(prefix: &str, id: JobId) -> String {
    format!("{prefix}/tasks/{id}")
}

/// The same as the value of a `Location`.
pub(crate) fn location(prefix: &str, id: JobId) -> HeaderValue {
    HeaderValue::try_from(task(prefix, id)).expect("a path is visible ASCII")
}
