//! Runs one case, with a deadline.

use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;

use super::stage::{Setup, Stage};
use crate::Store;

/// How long a case may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Runs one case on a fresh store of `open`: what [`store_conformance!`](crate::store_conformance) makes a test of.
///
/// # Panics
///
/// If the case fails or takes longer than [`DEADLINE`]; then its thread is left behind.
pub fn run<O, C>(open: O, case: C)
where
    O: AsyncFn(Setup) -> Arc<dyn Store> + Send + 'static,
    C: AsyncFnOnce(&Stage) + Send + 'static,
{
    let (ended, end) = channel::<()>();
    let thread = thread::spawn(move || {
        let _told_when_dropped = ended;
        let open = Rc::new(open);
        block_on(async move {
            let open = move |setup| {
                let open = Rc::clone(&open);
                Box::pin(async move { open(setup).await }) as _
            };
            let stage = Stage::open(Rc::new(open)).await;
            case(&stage).await;
        });
    });
    match end.recv_timeout(DEADLINE) {
        Err(RecvTimeoutError::Timeout) => panic!("the case has not ended after {DEADLINE:?}"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}
