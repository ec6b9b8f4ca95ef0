//! The project's own chores: demo, test, packs, cloud.

fn main() {}
