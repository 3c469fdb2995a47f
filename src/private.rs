//! Files that are their owner's alone: jobs, mail and tokens are nobody else's business.

use std::fs::OpenOptions;

/// What makes a file that only its owner may read and write, where the system knows owners; one that is there keeps its
/// rights. How it is opened is still to be said.
pub(crate) fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
