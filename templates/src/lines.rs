//! Which line a byte stands in.

/// The places of a source's line ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(source: &str) -> Self {
        Self { ends: source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect() }
    }

    /// The line of this byte; the first is 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < at)
    }

    /// How many line ends the source has.
    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }
}
