//! Inputs and variables that nothing reads. Said only where it is asked for.

use rustc_hash::FxHashSet;

use super::Found;
use super::outcome::keys;
use super::reads::Reads;
use crate::Workflow;
use crate::diagnostics::Code;

/// Says which inputs and `vars` of `workflow` no expression names.
pub(super) fn check(workflow: &Workflow, reads: &Reads<'_>, found: &mut Found) {
    // Without an output, all variables are the output.
    if reads.everything || workflow.output.is_none() {
        return;
    }
    let read: FxHashSet<&str> = reads.all.iter().map(|read| &*read.name).collect();
    for input in workflow
        .input
        .iter()
        .filter(|input| !read.contains(&*input.name))
    {
        let length = u32::try_from(input.name.chars().count()).unwrap_or(1);
        let message = format!("no expression reads the input `{}`", input.name);
        found.add(Code::UnusedInput, &input.location, length, message, None);
    }
    let vars = workflow.vars.iter().flat_map(keys);
    for name in vars.filter(|name| !read.contains(&***name)) {
        let prefix = workflow.workbook.as_ref().map_or(0, |book| book.len() + 1);
        let short = workflow.name.get(prefix..).unwrap_or_default();
        let length = u32::try_from(short.chars().count()).unwrap_or(1);
        let message = format!("no expression reads `{name}`, which `vars` sets");
        found.add(
            Code::UnusedVariable,
            &workflow.location,
            length,
            message,
            None,
        );
    }
}
