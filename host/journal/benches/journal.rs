//! Measures the journal.

fn main() {}
