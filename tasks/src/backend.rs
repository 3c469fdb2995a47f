//! What a board knows of a backend without asking it: its queues and what it supports.

use std::collections::BTreeSet;

/// A backend as validation sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendInfo {
    /// The alias in the settings.
    pub alias: String,
    /// The queues a call may name.
    pub queues: QueueNames,
    /// What it can do.
    pub supports: Supports,
}

/// The queues that a backend accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueNames {
    /// Any well-formed name (settings: `queues = []`).
    Any,
    /// These and no others.
    Only(BTreeSet<String>),
}

impl QueueNames {
    /// The queues of a backend that says nothing: `default` alone.
    #[must_use]
    pub fn standard() -> Self {
        Self::from_list(["default"])
    }

    /// As the settings give them: an empty list is [`QueueNames::Any`].
    pub fn from_list<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() { Self::Any } else { Self::Only(names) }
    }

    /// Whether a call may name this queue.
    #[must_use]
    pub fn allow(&self, queue: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(queue),
        }
    }
}

impl Default for QueueNames {
    fn default() -> Self {
        Self::standard()
    }
}

/// Django's capability flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "four independent flags, as Django names them")]
pub struct Supports {
    /// `run_after` (`supports_defer`).
    pub defer: bool,
    /// Async functions (`supports_async_task`).
    pub async_task: bool,
    /// Looking a job up from any thread and process (`supports_get_result`).
    pub get_result: bool,
    /// Priorities other than 0 (`supports_priority`).
    pub priority: bool,
}

impl Supports {
    /// Everything, as the queue backends do.
    pub const ALL: Self = Self { defer: true, async_task: true, get_result: true, priority: true };
    /// Nothing but enqueueing, as a custom backend of one handler does.
    pub const NONE: Self = Self { defer: false, async_task: false, get_result: false, priority: false };
}
