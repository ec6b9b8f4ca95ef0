//! The driver on one machine: dispatch, timers, subscriptions.
