//! One connection of our own: opened when needed, opened again when it was lost, closed when nobody needs it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::Heard;
use deadpool_postgres::ClientWrapper;
use futures::StreamExt;
use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;

use super::core::{Core, Params, Trial, in_time};
use super::fault::Fault;
use super::options::Target;
use super::sql::Sql;
use tokio_postgres::Row;

pub(super) struct Link {
    pub(super) core: Arc<Core>,
    target: Target,
    client: Rc<RefCell<Option<Rc<ClientWrapper>>>>,
    /// Whether it hears what other processes say.
    pub(super) listens: bool,
    was_open: bool,
    /// Rung when the connection has ended.
    pub(super) lost: Arc<Notify>,
}

impl Link {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self::to(core, core.target.clone())
    }

    pub(super) fn to(core: &Arc<Core>, target: Target) -> Self {
        let (core, lost) = (Arc::clone(core), Arc::default());
        Self { core, target, client: Rc::default(), listens: false, was_open: false, lost }
    }

    pub(super) fn is_open(&self) -> bool {
        self.client.borrow().as_ref().is_some_and(|client| !client.is_closed())
    }

    pub(super) fn close(&mut self) {
        self.client.take();
    }

    /// The same connection once more, for statements that are transactions of their own: one is sent while the one
    /// before it is under way.
    pub(super) fn share(&self) -> Self {
        let mut other = Self::to(&self.core, self.target.clone());
        other.client = Rc::clone(&self.client);
        other
    }

    /// The connection, open.
    pub(super) async fn client(&mut self) -> Result<Rc<ClientWrapper>, Fault> {
        let open = self.client.borrow().as_ref().filter(|client| !client.is_closed()).map(Rc::clone);
        if let Some(client) = open {
            return Ok(client);
        }
        let client = Rc::new(connect(&self.core, &self.target, &self.lost).await?);
        if self.listens {
            self.listen(&client).await?;
        }
        self.was_open = true;
        self.client.replace(Some(Rc::clone(&client)));
        Ok(client)
    }

    async fn listen(&self, client: &ClientWrapper) -> Result<(), Fault> {
        in_time(client.batch_execute(&format!("LISTEN \"{}.callboard\"", self.core.schema))).await?;
        // Nobody knows what was said while nobody listened.
        if self.was_open {
            self.core.hear(Heard::Something);
        }
        Ok(())
    }

    /// Begins to listen, on the connection that is open or on the next.
    pub(super) async fn start_listening(&mut self) -> Result<(), Fault> {
        if self.listens && self.is_open() {
            return Ok(());
        }
        let open = self.is_open();
        self.listens = true;
        let client = self.client().await?;
        if open {
            self.listen(&client).await?;
        }
        Ok(())
    }

    /// Runs one statement as a transaction of its own; once.
    pub(super) async fn call(&mut self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        let core = Arc::clone(&self.core);
        let answer = match self.client().await {
            Ok(client) => core.alone(&client, sql, params).await,
            Err(fault) => Err(fault),
        };
        self.drop_if_lost(answer)
    }

    /// Forgets a connection on which an answer was lost: what is still under way on it is none of our business.
    pub(super) fn drop_if_lost<T>(&mut self, answer: Result<T, Fault>) -> Result<T, Fault> {
        if matches!(answer, Err(Fault::Lost(_))) {
            self.close();
        }
        answer
    }

    /// Runs one statement, of which nothing is lost if it is done twice, until it is done.
    pub(super) async fn repeat(
        &mut self,
        patience: Duration,
        sql: &Sql,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let mut trial = Trial::new(patience);
        loop {
            match self.call(sql, params).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => trial.next(fault).await?,
            }
        }
    }
}

/// Opens a connection; its notices go to the ear of `core`.
pub(super) async fn connect(core: &Arc<Core>, target: &Target, lost: &Arc<Notify>) -> Result<ClientWrapper, Fault> {
    let (client, mut connection) =
        in_time(target.config.connect(target.tls.clone())).await.map_err(|fault| match fault {
            Fault::Data(cause) => Fault::Failed(cause),
            fault => fault,
        })?;
    let (core, lost) = (Arc::clone(core), Arc::clone(lost));
    let drive = tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(notice)) => core.notified(notice.payload()),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!("a connection to {} has ended: {error}", core.target.place);
                    break;
                }
            }
        }
        lost.notify_one();
    });
    Ok(ClientWrapper::new(client, drive))
}
