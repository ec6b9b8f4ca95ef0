//! The ostro command.

fn main() {}
