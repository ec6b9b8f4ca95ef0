//! The rules that there are, with their defaults: those of Mistral 23 (`mistral/policies`), and
//! Ostro's own.

use crate::packs::PACK_RULES;

/// What an administrator is: as Mistral has it, whoever has the role `admin`.
pub(super) const ADMIN_ONLY: (&str, &str) = ("admin_only", "is_admin:True");

/// Whoever asks for what is their project's own.
const ADMIN_OR_OWNER: (&str, &str) = (
    "admin_or_owner",
    "is_admin:True or project_id:%(project_id)s",
);

/// Mistral's rules that only administrators pass.
const FOR_ADMINS: [&str; 22] = [
    "actions:publicize",
    "code_sources:create",
    "code_sources:delete",
    "code_sources:get",
    "code_sources:list",
    "code_sources:publicize",
    "code_sources:update",
    "cron_triggers:list:all_projects",
    "cron_triggers:publicize",
    "dynamic_actions:create",
    "dynamic_actions:delete",
    "dynamic_actions:get",
    "dynamic_actions:list",
    "dynamic_actions:publicize",
    "dynamic_actions:update",
    "environments:publicize",
    "event_triggers:list:all_projects",
    "event_triggers:publicize",
    "executions:list:all_projects",
    "workbooks:publicize",
    "workflows:list:all_projects",
    "workflows:publicize",
];

/// Mistral's rules that all pass for what is their project's.
const FOR_OWNERS: [&str; 48] = [
    "action_executions:create",
    "action_executions:delete",
    "action_executions:get",
    "action_executions:list",
    "action_executions:update",
    "actions:create",
    "actions:delete",
    "actions:get",
    "actions:list",
    "actions:update",
    "cron_triggers:create",
    "cron_triggers:delete",
    "cron_triggers:get",
    "cron_triggers:list",
    "environments:create",
    "environments:delete",
    "environments:get",
    "environments:list",
    "environments:update",
    "event_triggers:create",
    "event_triggers:delete",
    "event_triggers:get",
    "event_triggers:list",
    "event_triggers:update",
    "executions:create",
    "executions:delete",
    "executions:get",
    "executions:list",
    "executions:update",
    "members:create",
    "members:delete",
    "members:get",
    "members:list",
    "members:update",
    "services:list",
    "tasks:get",
    "tasks:list",
    "tasks:update",
    "workbooks:create",
    "workbooks:delete",
    "workbooks:get",
    "workbooks:list",
    "workbooks:update",
    "workflows:create",
    "workflows:delete",
    "workflows:get",
    "workflows:list",
    "workflows:update",
];

/// Rules that Mistral does not have. There, whoever has a token puts the service into
/// maintenance, which holds up all projects.
const OWN: [(&str, &str); 1] = [("maintenance:update", "rule:admin_only")];

/// All rules, with their defaults.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let admins = FOR_ADMINS.iter().map(|name| (*name, "rule:admin_only"));
    let owners = FOR_OWNERS.iter().map(|name| (*name, "rule:admin_or_owner"));
    let bases = [ADMIN_ONLY, ADMIN_OR_OWNER].into_iter();
    bases
        .chain(admins)
        .chain(owners)
        .chain(OWN)
        .chain(PACK_RULES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistral_has_72_rules() {
        assert_eq!(all().count() - OWN.len() - PACK_RULES.len(), 72);
    }
}
