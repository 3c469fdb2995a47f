//! A gate that a test opens by hand, for async and for blocking code.

use std::fmt;

use futures::executor::block_on;
use tokio::sync::watch;

/// Closed at first; everyone waits until it is open.
pub(crate) struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Gate {
    /// A gate that lets everybody through until it is closed.
    pub(crate) fn opened() -> Self {
        Self(watch::Sender::new(true))
    }

    /// Lets through all who wait and all who come.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Stops whoever comes from now on.
    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        let mut open = self.0.subscribe();
        open.wait_for(|open| *open).await.expect("the gate is borrowed, so its sender lives");
    }

    /// Waits until it is open, and holds the thread meanwhile.
    pub(crate) fn pass_blocking(&self) {
        block_on(self.pass());
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate(open: {})", *self.0.borrow())
    }
}
