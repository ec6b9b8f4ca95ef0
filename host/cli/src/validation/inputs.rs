//! Which input goes to which validation.

use anyhow::{Result, anyhow};
use ostro_core::{Map, Value};

use super::catalogue::Validation;
use crate::errors::{hinted, warn};
use crate::suggest;

/// What `--plan` is called among parameters: newer validations take a plan, older ones the
/// container of objects that it is kept in.
const PLAN: [&str; 2] = ["plan", "container"];

/// The input of each of `chosen`: those of `given` that it takes, and the plan. An error with
/// all that is wrong.
pub(crate) fn share(chosen: &[Validation], given: &Map, plan: Option<&str>) -> Result<Vec<Map>> {
    let takes = |validation: &Validation, name: &str| {
        let params = &validation.signature.params;
        params.iter().any(|param| param.name.is(name))
    };
    for name in given.keys() {
        if !chosen.iter().any(|validation| takes(validation, name)) {
            let known = chosen.iter().flat_map(|known| &known.signature.params);
            let known: Vec<String> = known.map(|param| param.name.to_string()).collect();
            let hint = suggest::did_you_mean(name, known.iter().map(String::as_str));
            return Err(hinted(
                anyhow!("-i {name}: none of the validations takes it"),
                hint.unwrap_or_else(|| "`ostro validation show` tells what one takes".to_owned()),
            ));
        }
    }
    let mut wrong = Vec::new();
    let mut inputs = Vec::with_capacity(chosen.len());
    let mut planned = false;
    for validation in chosen {
        let mut input: Map = given
            .iter()
            .filter(|(name, _)| takes(validation, name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(plan) = plan {
            for name in PLAN.into_iter().filter(|name| takes(validation, name)) {
                planned = true;
                if !input.contains_key(name) {
                    input.insert(name.into(), Value::from(plan));
                }
            }
        }
        if let Err(error) = validation.signature.check_input(&input) {
            wrong.push(format!("{}: {error}", validation.id()));
        }
        inputs.push(input);
    }
    if !wrong.is_empty() {
        return Err(hinted(
            anyhow!("{}", wrong.join("\n  ")),
            "`ostro validation show` tells what one takes; nothing was run",
        ));
    }
    if let Some(plan) = plan.filter(|_| !planned) {
        warn(
            &format!("--plan {plan}: none of the validations takes a plan"),
            None,
        );
    }
    Ok(inputs)
}
