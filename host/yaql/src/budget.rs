//! How much an evaluation may use.

/// Bounds of one evaluation. Exceeding one is an error of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many nodes may be evaluated and items produced.
    pub steps: u64,
    /// How many items one iterator may produce.
    pub iterator_length: usize,
    /// How many bytes may be built, roughly: what is built and dropped again counts as well.
    pub memory: usize,
    /// How deep calls and values may nest. Each level takes some kilobytes of stack; the default
    /// fits a thread of 2 MiB.
    pub depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            steps: 10_000_000,
            iterator_length: 1_000_000,
            memory: 256 << 20,
            depth: 200,
        }
    }
}
