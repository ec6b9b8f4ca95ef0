//! Who may do what: rules in the form of oslo.policy, with the names and defaults of Mistral.
//!
//! A rule is an expression: `role:admin`, `project_id:%(project_id)s`, `rule:admin_or_owner`,
//! joined by `and`, `or`, `not` and parentheses. Unlike oslo.policy, which denies what it does not
//! understand, a file that cannot be understood whole is refused, with the place where it is wrong.

mod check;
mod expression;
mod file;
mod rules;

use std::collections::HashMap;
use std::path::Path;

use self::check::Check;
pub(crate) use self::check::Credential;
use self::file::Entry;
use crate::app::ServerError;
use crate::identity::Caller;

/// How large a policy file may be, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The rules of a server.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: HashMap<String, Check>,
}

impl Default for Policy {
    /// Mistral's rules, as they are unless an operator says otherwise.
    fn default() -> Self {
        let rules = rules::all().map(|(name, text)| {
            // A rule that does not read would let nobody pass; a test reads them all.
            let check = expression::parse(text).unwrap_or(Check::Never);
            (name.to_owned(), check)
        });
        Self {
            rules: rules.collect(),
        }
    }
}

impl Policy {
    /// Mistral's rules, but for those that the file at `path` has: YAML or JSON.
    pub fn load(path: &Path) -> Result<Self, ServerError> {
        let name = path.display();
        let unreadable = |reason: String| ServerError::Policy(format!("{name}: {reason}"));
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        if size.len() > MAX_FILE {
            return Err(unreadable(format!("it has more than {MAX_FILE} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::read(&text, &name.to_string())
    }

    /// As [`Policy::load`], of a text that messages call `file`.
    pub fn read(text: &str, file: &str) -> Result<Self, ServerError> {
        let wrong = |line: usize, column: usize, reason: String| {
            ServerError::Policy(format!("{file}:{line}:{column}: {reason}"))
        };
        let entries =
            file::read(text).map_err(|error| wrong(error.line, error.column, error.reason))?;
        let mut policy = Self::default();
        for entry in &entries {
            policy.rules.insert(entry.name.clone(), entry.check.clone());
        }
        for entry in &entries {
            policy
                .sound(entry, &entries)
                .map_err(|reason| wrong(entry.line, entry.column, reason))?;
        }
        Ok(policy)
    }

    /// Whether a rule of the file is asked for, refers to what there is, and does not lead back to
    /// itself.
    fn sound(&self, entry: &Entry, entries: &[Entry]) -> Result<(), String> {
        let name = &entry.name;
        if let Some(unknown) = entry
            .check
            .referred()
            .find(|rule| !self.rules.contains_key(*rule))
        {
            return Err(format!(
                "{name}: there is no rule {unknown}: write one in this file, or mend the name"
            ));
        }
        if let Some(way) = self.way_back(name) {
            return Err(format!("{name}: the rule leads back to itself: {way}"));
        }
        let is_known = rules::all().any(|(known, _)| known == name);
        let is_referred = || {
            let mut others = entries.iter().flat_map(|other| other.check.referred());
            others.any(|referred| referred == name)
        };
        if !is_known && !is_referred() {
            return Err(format!(
                "{name}: nothing asks for this rule: mend its name, or take it out"
            ));
        }
        Ok(())
    }

    /// How `name` leads to itself, if it does.
    fn way_back(&self, name: &str) -> Option<String> {
        let mut way = vec![(name, self.rules.get(name)?.referred())];
        let mut seen = vec![name];
        while let Some((_, next)) = way.last_mut() {
            match next.next() {
                None => {
                    way.pop();
                }
                Some(rule) if rule == name => {
                    let names: Vec<&str> = way.iter().map(|(name, _)| *name).collect();
                    return Some(format!("{}, {name}", names.join(", ")));
                }
                Some(rule) if seen.contains(&rule) => {}
                Some(rule) => {
                    seen.push(rule);
                    way.push((rule, self.rules.get(rule)?.referred()));
                }
            }
        }
        None
    }

    /// Whether `caller` passes `rule` for what is their project's. A rule that there is not lets
    /// nobody pass.
    pub(crate) fn allows(&self, rule: &str, caller: &Caller) -> bool {
        // Rules do not lead back to themselves, so that this comes to an end.
        let check = self.rules.get(rule);
        check.is_some_and(|check| check.passes(caller, &|rule| self.allows(rule, caller)))
    }
}

#[cfg(test)]
mod tests;
