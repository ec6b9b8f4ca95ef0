//! Secrets: where a guest gets what stands for one, or the value where that is granted.

use ostro_packs::SecretGrant;
use serde_json::json;

use super::contract::secrets;
use super::contract::types::CallError;
use crate::recording::Plain;
use crate::state::{Caller, State};

impl secrets::Host for State {
    fn use_secret(&mut self, name: String) -> wasmtime::Result<Result<String, CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| json!({ "name": name }));
        let caller = &self.caller;
        let answer = self.tape.at_once("secrets.use-secret", arguments, || {
            caller.told_at_once("secrets.use-secret", "secrets", || {
                caller.place(&name).map(Plain)
            })
        })?;
        Ok(answer.map(|Plain(place)| place))
    }

    fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| json!({ "name": name }));
        let caller = &self.caller;
        let answer = self.tape.at_once("secrets.reveal", arguments, || {
            caller.told_at_once("secrets.reveal", "secrets", || {
                caller.reveal(&name).map(Plain)
            })
        })?;
        Ok(answer.map(|Plain(value)| value))
    }
}

impl Caller {
    fn place(&self, name: &str) -> Result<String, CallError> {
        check_name(name)?;
        let grants = &self.policy.grants;
        let checked = grants.check_secret(name);
        checked.map_err(|denial| self.deny(&denial))?;
        self.secrets.place(name).ok_or_else(|| not_provided(name))
    }

    fn reveal(&self, name: &str) -> Result<String, CallError> {
        check_name(name)?;
        let grants = &self.policy.grants;
        let checked = grants.check_reveal(name);
        checked.map_err(|denial| self.deny(&denial))?;
        let value = self.secrets.value(name).map(str::to_owned);
        value.ok_or_else(|| not_provided(name))
    }
}

fn check_name(name: &str) -> Result<(), CallError> {
    if SecretGrant::is_name(name) {
        return Ok(());
    }
    Err(CallError::Invalid(
        "a secret's name is lower-case letters, digits and -, as ipmi-password".to_owned(),
    ))
}

/// Packs are loaded only with all that they are granted.
fn not_provided(name: &str) -> CallError {
    CallError::Unavailable(format!("the secret {name:?} is not provided"))
}
