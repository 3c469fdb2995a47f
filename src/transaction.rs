//! Enqueueing inside a transaction of the caller's own: the job is there when it commits, and never was if it is
//! rolled back.

use callboard_actors::Callboard;
use callboard_tasks::{AnyCall, Call, Error, Task, TaskResult};

/// Enqueues a call inside a transaction of the caller's own.
///
/// The call is checked as by [`Callboard::enqueue`], and the result is that of an enqueue: a snapshot, of a job that
/// nobody finds before the commit, or of the one that holds its unique key.
pub trait EnqueueIn {
    /// Enqueues by a client or transaction of tokio-postgres, in the database and schema of the call's backend.
    /// Processes that wait are woken by the commit.
    ///
    /// # Errors
    ///
    /// As [`Callboard::enqueue`]; also [`Error::Unsupported`] if the backend of the call is not a PostgreSQL one. The
    /// transaction has failed if the database refused the job.
    #[cfg(feature = "postgres")]
    fn enqueue_in<T: Task>(
        &self,
        client: &(impl tokio_postgres::GenericClient + Sync),
        call: Call<T>,
    ) -> impl Future<Output = Result<TaskResult<T::Output>, Error>> + Send;

    /// Enqueues by a connection of rusqlite, or a transaction on it, to the file of the call's backend: `url =
    /// "app.db"` makes the application's own file that of the backend.
    ///
    /// # Errors
    ///
    /// As [`Callboard::enqueue`]; also [`Error::Unsupported`] if the backend of the call is not a SQLite one. The
    /// transaction goes on without the job then.
    #[cfg(feature = "sqlite")]
    fn enqueue_in_sqlite<T: Task>(
        &self,
        connection: &rusqlite::Connection,
        call: Call<T>,
    ) -> Result<TaskResult<T::Output>, Error>;
}

impl EnqueueIn for Callboard {
    #[cfg(feature = "postgres")]
    async fn enqueue_in<T: Task>(
        &self,
        client: &(impl tokio_postgres::GenericClient + Sync),
        call: Call<T>,
    ) -> Result<TaskResult<T::Output>, Error> {
        use crate::store::postgres::{PostgresOptions, enqueue_in};
        let call = call.erase();
        let lacks = lacks(&call, "enqueue_in, which is for backends on PostgreSQL");
        let prepared = self.prepare(call)?;
        let schema = prepared.opener::<PostgresOptions>().map(|options| options.schema.clone()).ok_or(lacks)?;
        let placed = enqueue_in(client, &schema, std::slice::from_ref(prepared.spec())).await?;
        match placed.found.into_iter().next() {
            None => prepared.written(),
            Some(found) => prepared.found(found.job),
        }
    }

    #[cfg(feature = "sqlite")]
    fn enqueue_in_sqlite<T: Task>(
        &self,
        connection: &rusqlite::Connection,
        call: Call<T>,
    ) -> Result<TaskResult<T::Output>, Error> {
        use crate::store::sqlite::{SqliteOptions, enqueue_in};
        let call = call.erase();
        let lacks = lacks(&call, "enqueue_in_sqlite, which is for backends on SQLite");
        let prepared = self.prepare(call)?;
        prepared.opener::<SqliteOptions>().ok_or(lacks)?;
        let placed = enqueue_in(connection, std::slice::from_ref(prepared.spec()))?;
        match placed.found.into_iter().next() {
            Some(found) => prepared.found(found.job),
            None => prepared.written(),
        }
    }
}

fn lacks(call: &AnyCall, what: &'static str) -> Error {
    Error::Unsupported { alias: call.backend().to_owned(), what }
}

/// A call as a statement, for drivers of any kind and language.
#[cfg(feature = "postgres")]
pub trait ToSql {
    /// The statement that enqueues the call, with its parameters as texts, in the schema of that name: `$1`, `$2`, …
    /// stand for them. It checks less than [`Callboard::enqueue`], which knows the queues of the backend.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTask`] if the call cannot be a job.
    fn to_sql(&self, schema: &str) -> Result<(String, Vec<Option<String>>), Error>;
}

#[cfg(feature = "postgres")]
impl<T: Task> ToSql for Call<T> {
    fn to_sql(&self, schema: &str) -> Result<(String, Vec<Option<String>>), Error> {
        let spec = callboard_tasks::resolve(self.clone().erase(), callboard_tasks::Clock::system().now())?;
        Ok(crate::store::postgres::to_sql(schema, &spec))
    }
}
