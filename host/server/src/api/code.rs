//! `/v2/code_sources` and `/v2/dynamic_actions`: Python that Mistral takes in and runs. Ostro's
//! actions of one's own are components of packs.

use super::routes::Routes;
use crate::fault::Fault;

/// What all of these say.
const ELSEWHERE: &str = "Tell that Python is not run inside of Ostro";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/code_sources", "code_sources:list", refused)
        .about(ELSEWHERE)
        .post("/code_sources", "code_sources:create", refused)
        .about(ELSEWHERE)
        .put("/code_sources", "code_sources:update", refused)
        .about(ELSEWHERE)
        .delete("/code_sources", "code_sources:delete", refused)
        .about(ELSEWHERE)
        .get("/code_sources/{identifier}", "code_sources:get", refused)
        .about(ELSEWHERE)
        .post("/code_sources/{identifier}", "code_sources:create", refused)
        .about(ELSEWHERE)
        .put("/code_sources/{identifier}", "code_sources:update", refused)
        .about(ELSEWHERE)
        .delete("/code_sources/{identifier}", "code_sources:delete", refused)
        .about(ELSEWHERE)
        .get("/dynamic_actions", "dynamic_actions:list", refused)
        .about(ELSEWHERE)
        .post("/dynamic_actions", "dynamic_actions:create", refused)
        .about(ELSEWHERE)
        .put("/dynamic_actions", "dynamic_actions:update", refused)
        .about(ELSEWHERE)
        .delete("/dynamic_actions", "dynamic_actions:delete", refused)
        .about(ELSEWHERE)
        .get(
            "/dynamic_actions/{identifier}",
            "dynamic_actions:get",
            refused,
        )
        .about(ELSEWHERE)
        .post(
            "/dynamic_actions/{identifier}",
            "dynamic_actions:create",
            refused,
        )
        .about(ELSEWHERE)
        .put(
            "/dynamic_actions/{identifier}",
            "dynamic_actions:update",
            refused,
        )
        .about(ELSEWHERE)
        .delete(
            "/dynamic_actions/{identifier}",
            "dynamic_actions:delete",
            refused,
        )
        .about(ELSEWHERE)
}

async fn refused() -> Fault {
    Fault::not_implemented(
        "Python is not run inside of Ostro: write the action as a component and install the \
         pack that has it, with `ostro pack`",
    )
}
