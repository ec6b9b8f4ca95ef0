//! The pure decider: (spec, state, event) to (state, commands). No IO, no clock, no randomness.
