//! Packs, as far as the server answers by itself.

use std::collections::BTreeSet;

use ostro_server::{PACK_RULES, Policy, routes};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_server_without_packs_says_so_whatever_it_is_asked_for_about_them() {
    let world = World::new().await;
    let mut asked = 0;
    for route in routes() {
        let Some(below) = route.path.strip_prefix("/v2/packs") else {
            continue;
        };
        let method = route.method.unwrap().to_string();
        let path = format!("/v2/packs{below}");
        let path = path.replace("{name}", "acme").replace("{version}", "1.0.0");
        let (status, reason) = world.refused(&method, &path, json!({})).await;
        assert_eq!(status, 501, "{method} {path}: {reason}");
        assert!(reason.contains("--no-packs"), "{method} {path}: {reason}");
        asked += 1;
    }
    assert_eq!(asked, 10);
    // It is no matter of what may begin.
    world.put("/maintenance", json!({"status": "PAUSED"})).await;
    let rollback = "/v2/packs/acme/rollback";
    assert_eq!(world.refused("POST", rollback, json!({})).await.0, 501);
}

#[test]
fn each_route_has_a_rule_that_has_a_default() {
    let routes = routes().into_iter();
    let routes = routes.filter(|route| route.path.starts_with("/v2/packs"));
    let named: BTreeSet<_> = routes.map(|route| route.rule.unwrap()).collect();
    let known: BTreeSet<_> = PACK_RULES.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(named, known);
    // An operator can change each of them: others in a file of policies are refused.
    for rule in named {
        Policy::read(&format!("{rule}: role:packer"), "policy.yaml").unwrap();
    }
}
