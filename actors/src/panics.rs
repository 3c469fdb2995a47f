//! Where an attempt panicked: the panic payload knows what was said, only the hook knows where.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use callboard_tasks::Failure;

thread_local! {
    static IN_ATTEMPT: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts a hook before the one there is: panics of attempts are noted, for the job's record and our log;
/// all others go where they went before. A hook that the program sets later replaces ours, and then only
/// the place is lost.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_ATTEMPT.get() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs a piece of user code; a panic in it becomes a failure.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // Attempts can be nested: an immediate backend runs one inside another's poll.
    let outer = IN_ATTEMPT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IN_ATTEMPT.set(outer);
    result.map_err(|payload| {
        let place = PLACE.take();
        let failure = Failure::panic(message(payload.as_ref()), place.as_deref());
        drop_contained(payload);
        failure
    })
}

/// Drops a value of the user's, whose destructor may panic as well.
pub(crate) fn drop_contained<T>(value: T) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The destructor of this one could panic in turn, and so on without end: rather a few bytes lost.
        std::mem::forget(payload);
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}
