//! `std.javascript` and `std.js` through the pack of `plugins/javascript`.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use ostro_actions::Registry;
use ostro_core::ActionErrorKind;
use ostro_packs::Pack;
use ostro_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;

use crate::common::{error, result};

/// The registry with the pack, whose scripts may take two seconds.
fn registry() -> Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/javascript");
        let mut lines = Vec::new();
        let built = ostro_packs::build::build(&folder, &mut |line| lines.push(line.to_owned()));
        let mut pack: Pack = built
            .unwrap_or_else(|error| panic!("plugins/javascript: {error}\n{}", lines.join("\n")))
            .pack;
        pack.manifest.limits.time = Duration::from_secs(2);
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let loaded = sandbox.load(&pack, &pack.manifest.grants).unwrap();
        Registry::builder().pack(loaded).build().unwrap()
    });
    REGISTRY.clone()
}

#[tokio::test]
async fn a_script_sees_its_context_and_gives_what_it_returns() {
    let registry = registry();
    for action in ["std.javascript", "std.js"] {
        for (script, context, expected) in [
            ("return $.a + $.b", json!({"a": 1, "b": 2}), json!(3)),
            (
                "return {all: $.map(x => x * 2)}",
                json!([1, 2]),
                json!({"all": [2, 4]}),
            ),
            ("return $", json!(null), json!(null)),
            ("return $", json!("téxt"), json!("téxt")),
            ("", json!({}), json!(null)),
            (
                "return typeof Math.random() + (Date.now() > 1.7e12)",
                json!(null),
                json!("numbertrue"),
            ),
        ] {
            let input = json!({"script": script, "context": context});
            assert_eq!(
                result(&registry, action, &input).await,
                expected,
                "{script}"
            );
        }
        assert_eq!(
            result(&registry, action, &json!({"script": "return $"})).await,
            json!(null)
        );
    }
}

#[tokio::test]
async fn what_a_script_throws_is_the_error_in_mistrals_words() {
    let input = json!({"script": "throw new Error('not today')"});
    let error = error(&registry(), "std.javascript", &input).await;
    assert_eq!(error.kind, ActionErrorKind::Action);
    assert_eq!(error.message, "JavaScriptAction failed: Error: not today");
    assert_eq!(error.value, error.message.as_str().into());
}

#[tokio::test]
async fn scripts_that_do_not_end_are_ended_and_harm_nobody() {
    let registry = registry();
    for (script, kind) in [
        ("while (true) {}", ActionErrorKind::Limit),
        (
            "const a = []; while (true) a.push(new Array(1000).fill(1))",
            ActionErrorKind::Limit,
        ),
        ("return 'x'.repeat(2 ** 23)", ActionErrorKind::Limit),
        (
            "return (function g() { return [1].map(g) })()",
            ActionErrorKind::Action,
        ),
    ] {
        let failed = error(&registry, "std.javascript", &json!({"script": script})).await;
        // Calls that nest through the engine itself may also use up the component's stack.
        let trapped = failed.kind == ActionErrorKind::Trap && script.contains("map");
        assert!(failed.kind == kind || trapped, "{script}: {failed:?}");
        let input = json!({"script": "return 1"});
        assert_eq!(result(&registry, "std.javascript", &input).await, json!(1));
    }
}

#[tokio::test]
async fn calls_share_nothing() {
    let registry = registry();
    for _ in 0..2 {
        let input = json!({"script": "this.n = (this.n || 0) + 1; return this.n"});
        assert_eq!(result(&registry, "std.javascript", &input).await, json!(1));
    }
}
