//! The routes: one file a resource.

mod actions;
mod definitions;
mod environments;
mod root;
mod strangers;
mod workbooks;
mod workflows;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};

use crate::app::App;

/// How large a body may be.
const MAX_BODY: usize = 16 << 20;

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let v2 = Router::new()
        .merge(actions::routes())
        .merge(environments::routes())
        .merge(workbooks::routes())
        .merge(workflows::routes());
    Router::new()
        .merge(root::routes())
        .nest("/v2", v2)
        .layer(middleware::from_fn(strangers::explain))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}
