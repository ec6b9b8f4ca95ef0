//! Mistral's DSL v2: YAML text to specs, expressions and diagnostics with line and column.
