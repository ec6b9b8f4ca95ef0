//! Mistral's DSL v2: YAML text to specs, expressions and diagnostics with line and column.
//!
//! Architecture Invariant: nothing here does IO; whoever has text and a file name calls
//! `parse` and gets what was understood and all that is wrong.

mod check;
mod definitions;
mod diagnostics;
mod functions;
mod input;
mod location;
mod parse;
mod spec;
mod suggest;
mod template;
mod text;
mod yaml;

pub use check::{ActionCatalogue, ActionParameter, check, check_reachable};
pub use definitions::Definitions;
pub use diagnostics::{Code, Diagnostic, Severity};
pub use functions::{FUNCTIONS, FunctionEnv, call as call_function};
pub use input::{InputProblem, bind_input, invalid_input};
pub use location::Location;
pub use ostro_yaql::{Budget, Host, NoHost};
pub use parse::{Parsed, parse};
pub use spec::{
    AdHocAction, EngineCommand, Input, Join, OnState, Policies, Publish, Retry, Target, Task,
    Transition, Transitions, WithItems, Work, Workbook, Workflow, WorkflowKind,
};
pub use template::{ExpressionError, Part, Scope, Template, TemplateExpression};
