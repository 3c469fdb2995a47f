//! What belongs to one request while it is answered: its nonce, and what its route says in place of the policies.

use std::cell::RefCell;
use std::rc::Rc;

use super::nonce::Nonce;
use super::overriding::CspOverride;

/// Stands in the extensions of a request; the middleware keeps a clone.
#[derive(Clone)]
pub(crate) struct Slot(Rc<Inner>);

struct Inner {
    nonce: Nonce,
    chosen: RefCell<CspOverride>,
}

impl Slot {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Inner { nonce: Nonce::new(), chosen: RefCell::default() }))
    }

    pub(crate) fn nonce(&self) -> &Nonce {
        &self.0.nonce
    }

    /// Lays an override over those that were there: for each policy the last one wins.
    pub(crate) fn choose(&self, more: &CspOverride) {
        self.0.chosen.borrow_mut().lay_over(more);
    }

    /// What was chosen.
    pub(crate) fn chosen(&self) -> CspOverride {
        self.0.chosen.borrow().clone()
    }
}
