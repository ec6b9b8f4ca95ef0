//! `/v2/code_sources` and `/v2/dynamic_actions`: Python that Mistral takes in and runs. Ostro's
//! actions of one's own are components of packs.

use axum::Router;
use axum::routing::any;

use crate::app::App;
use crate::fault::Fault;

pub(super) fn routes() -> Router<App> {
    ["/code_sources", "/dynamic_actions"]
        .into_iter()
        .fold(Router::new(), |router, path| {
            router
                .route(path, any(refused))
                .route(&format!("{path}/{{identifier}}"), any(refused))
        })
}

async fn refused() -> Fault {
    Fault::not_implemented(
        "Python is not run inside of Ostro: write the action as a component and install the \
         pack that has it, with `ostro pack`",
    )
}
