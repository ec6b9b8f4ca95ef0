//! One action execution in one fresh wasm instance, within its grants and limits.
