use std::sync::Arc;

use secrecy::SecretString;

use super::*;
use crate::identity::User;

/// A caller with these roles.
fn with(roles: &[&str]) -> Caller {
    Caller {
        project: "p".to_owned(),
        is_admin: roles.contains(&"admin"),
        user: Some(Arc::new(User {
            id: "u".to_owned(),
            domain: "default".to_owned(),
            project: Some("p".to_owned()),
            project_domain: Some("d".to_owned()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            is_admin_project: true,
            token: SecretString::from("t".to_owned()),
            expires: 0,
        })),
    }
}

/// Whether a member and an administrator pass a rule.
fn passes(rule: &str) -> (bool, bool) {
    let text = serde_json::json!({ "executions:list": rule }).to_string();
    let policy = Policy::read(&text, "p.json").unwrap();
    let allows = |roles: &[&str]| policy.allows("executions:list", &with(roles));
    (allows(&["Member", "reader"]), allows(&["admin"]))
}

#[test]
fn expressions_are_those_of_oslo_policy() {
    for (rule, member, admin) in [
        ("", true, true),
        ("@", true, true),
        ("!", false, false),
        ("role:admin", false, true),
        ("role:member", true, false),
        ("roles:member", false, false),
        ("roles:Member", true, false),
        ("rule:admin_only", false, true),
        ("rule:admin_or_owner", true, true),
        ("is_admin:True", false, true),
        ("is_admin:False", true, false),
        ("is_admin:true", false, false),
        ("not role:admin", true, false),
        ("not not role:admin", false, true),
        ("project_id:%(project_id)s", true, true),
        ("project_id:x%(project_id)s", false, false),
        ("tenant:p", true, true),
        ("user_id:%(user_id)s", true, true),
        ("user_id:%(project_id)s", false, false),
        ("user_domain_id:default", true, true),
        ("project_domain_id:d and is_admin_project:True", true, true),
        ("system_scope:all", false, false),
        ("True:True", true, true),
        ("'p':%(project_id)s", true, true),
        ("\"q\":%(project_id)s", false, false),
        ("12:12", true, true),
        ("role:a and role:b or role:admin", false, true),
        ("role:admin or role:member and role:reader", true, true),
        ("(role:admin or role:member) and role:reader", true, false),
        ("not (role:admin or role:x)", true, false),
        ("( role:admin )", false, true),
        ("role:ADMIN AND NOT role:x", false, true),
    ] {
        assert_eq!(passes(rule), (member, admin), "{rule}");
    }
}

#[test]
fn lists_are_alternatives_of_what_has_to_be_passed_together() {
    for (rule, member, admin) in [
        ("[]", true, true),
        ("[[]]", false, false),
        ("['role:admin', 'role:member']", true, true),
        ("[['role:member', 'role:reader'], ['!']]", true, false),
        ("[['role:member', 'role:admin']]", false, false),
        ("[['@']]", true, true),
    ] {
        let text = format!("# A comment.\nexecutions:list: {rule}\n");
        let policy = Policy::read(&text, "p.yaml").unwrap();
        let allows = |roles: &[&str]| policy.allows("executions:list", &with(roles));
        let found = (allows(&["Member", "reader"]), allows(&["admin"]));
        assert_eq!(found, (member, admin), "{rule}");
    }
}

#[test]
fn a_file_says_where_it_is_wrong() {
    for (text, wanted) in [
        ("- a\n", "1:1: a policy file is a mapping of rules"),
        ("a: [\n", "no YAML"),
        (
            "executions:list: 'role:admin and'\n",
            "1:18: executions:list: a check is missing at the end",
        ),
        (
            "\nexecutions:list: '(role:admin'\n",
            "2:18: executions:list: a ( has no )",
        ),
        (
            "executions:list: 'role:a role:b'\n",
            "role:b is not expected there",
        ),
        ("executions:list: admin\n", "\"admin\" is no check"),
        ("executions:list:\n", "a rule is a text or a list"),
        ("executions:list: {}\n", "a rule is a text or a list"),
        (
            "executions:list: 'roel:admin'\n",
            "\"roel\" of \"roel:admin\" is not known",
        ),
        (
            "executions:list: 'http://host/%(x)s'\n",
            "asks another server at each request, which is not done",
        ),
        (
            "executions:list: 'user_id:%(target.user)s'\n",
            "%(target.user)s is not known",
        ),
        ("executions:list: 'user_id:50%'\n", "is written %%"),
        (
            "# x\nexecutions:list: 'rule:admn'\n",
            "2:1: executions:list: there is no rule admn",
        ),
        (
            "executions:lst: '@'\n",
            "1:1: executions:lst: nothing asks for this rule",
        ),
        (
            "a: 'rule:b'\nb: 'not rule:a'\nexecutions:list: 'rule:a'\n",
            "1:1: a: the rule leads back to itself: a, b, a",
        ),
        (
            "admin_only: 'rule:admin_only'\n",
            "leads back to itself: admin_only, admin_only",
        ),
        (
            "executions:list: '@'\nexecutions:list: '!'\n",
            "2:1: executions:list: the rule is there twice",
        ),
    ] {
        let error = Policy::read(text, "p.yaml").unwrap_err().to_string();
        assert!(error.starts_with("policy: p.yaml:"), "{error}");
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
    let deep = format!("executions:list: '{} @'\n", "not ".repeat(100));
    let error = Policy::read(&deep, "p.yaml").unwrap_err().to_string();
    assert!(error.contains("deep"), "{error}");
}

#[test]
fn a_file_has_rules_of_its_own_and_leaves_others_as_they_are() {
    for text in ["", "# Nothing.\n", "{}"] {
        let policy = Policy::read(text, "p.yaml").unwrap();
        assert!(!policy.allows("workflows:publicize", &with(&["member"])));
        assert!(policy.allows("workflows:publicize", &with(&["admin"])));
        assert!(policy.allows("workflows:list", &with(&[])));
    }
    let text = "chief: 'role:chief'\nadmin_only: 'is_admin:True or rule:chief'\n";
    let policy = Policy::read(text, "p.yaml").unwrap();
    assert!(policy.allows("workflows:publicize", &with(&["chief"])));
    assert!(!policy.allows("workflows:publicize", &with(&["member"])));
    assert!(!policy.allows("no:such:rule", &with(&["admin"])));
}

#[test]
fn each_route_has_a_rule_that_there_is() {
    let policy = Policy::default();
    for (name, text) in rules::all() {
        assert!(expression::parse(text).is_ok(), "{name}");
    }
    for route in crate::api::routes() {
        if let Some(rule) = route.rule {
            assert!(policy.rules.contains_key(rule), "{route:?}");
        }
    }
}
