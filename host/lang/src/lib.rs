//! Mistral's DSL v2: YAML text to specs, expressions and diagnostics with line and column.
//!
//! `COMPATIBILITY.md` of this crate lists where it differs from Mistral.
//!
//! Architecture Invariant: nothing here does IO; whoever has text and a file name calls
//! [`parse`] and gets what was understood and all that is wrong.
//!
//! ```
//! let text = "\
//! version: '2.0'
//! greet:
//!   input: [name]
//!   tasks:
//!     hello:
//!       action: std.echo output=\"hello <% $.name %>\"
//!       on-success: [bye]
//! ";
//! let parsed = ostro_lang::parse(text, "greet.yaml");
//! assert_eq!(&*parsed.workflows[0].tasks["hello"].name, "hello");
//! assert_eq!(
//!     parsed.diagnostics[0].render(text),
//!     "error[E0401]: there is no task `bye`
//!  --> greet.yaml:7:20
//!   |
//! 7 |       on-success: [bye]
//!   |                    ^^^
//! "
//! );
//! ```

mod adhoc;
mod check;
mod contract;
mod definitions;
mod diagnostics;
mod explain;
mod flow;
mod format;
mod functions;
mod graph;
mod input;
mod jinja;
mod lint;
mod location;
mod parse;
mod spec;
mod template;
mod text;
mod yaml;

pub use check::{ActionCatalogue, ActionParameter, check, check_reachable};
pub use contract::{Called, ContractChange, How, contract_changes};
pub use definitions::Definitions;
pub use diagnostics::{Code, Diagnostic, Severity};
pub use explain::{Step, explain};
pub use format::format;
pub use functions::{FUNCTIONS, FunctionEnv, call as call_function, python_json_text};
pub use graph::Graph;
pub use input::{InputProblem, bind_input, invalid_input};
pub use jinja::{JinjaError, JinjaTemplate};
pub use lint::{LintOptions, Report, lint};
pub use location::Location;
pub use ostro_yaql::{Budget, Host, NoHost};
pub use parse::{Parsed, Placed, PlacedEntry, PlacedKind, parse, parse_template, read_placed};
pub use spec::{
    AdHocAction, EngineCommand, Input, Join, OnState, Policies, Publish, Retry, Target, Task,
    Transition, Transitions, WithItems, Work, Workbook, Workflow, WorkflowKind,
};
pub use template::{ExpressionError, Part, Scope, Template, TemplateExpression, TemplateJinja};
pub use text::{python_repr, python_str};
