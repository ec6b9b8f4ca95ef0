//! Whether the host is well: turns become durable, and nothing is stalled.

use std::time::{Duration, Instant};

use ostro_journal::Turn;

use crate::app::App;

/// What is remembered in the journal to find out whether it takes something.
const SETTING: &str = "healthcheck";
/// How long the journal may take for that.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer holds: whoever asks all the time costs no more than one who does not.
const FRESH: Duration = Duration::from_secs(1);

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct Health {
    last: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
}

impl Health {
    /// What is wrong; nothing if all is well.
    pub(crate) async fn problems(&self, app: &App) -> Vec<String> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let found = look(app).await;
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

async fn look(app: &App) -> Vec<String> {
    let mut found = Vec::new();
    let mut turn = Turn::new();
    turn.setting(SETTING, Some(app.now().to_string().into_bytes()));
    match tokio::time::timeout(PATIENCE, app.write(turn)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal takes nothing");
            found.push("the journal takes nothing: the log says why".to_owned());
        }
        Err(_) => found.push(format!(
            "the journal has taken nothing for {} seconds",
            PATIENCE.as_secs()
        )),
    }
    let stalled = app.runtime.figures().turns_stalled;
    if stalled > 0 {
        found.push(format!("{stalled} executions wait for the journal's disk"));
    }
    found
}
