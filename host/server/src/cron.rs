//! Starts what cron triggers are for, when it is time.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::cron_trigger::CronTrigger;
use crate::delegation::As;
use crate::fault::Fault;
use crate::identity::Caller;
use crate::maintenance::Status;
use crate::start::{Wanted, start};

/// How long to sleep at most: the clock may be set, and triggers come.
const LOOK: Duration = Duration::from_secs(1);

/// Looks for triggers whose time has come, for ever.
pub(crate) async fn watch(app: App) {
    loop {
        let now = app.now();
        // What comes during maintenance starts once that is over.
        let may = app.maintenance.status() == Status::Running;
        let due: Vec<CronTrigger> = {
            let kept = app.catalogue.kept();
            let triggers = kept.cron_triggers.all();
            let due = triggers.filter(|trigger| may && trigger.next <= now);
            due.map(|trigger| (**trigger).clone()).collect()
        };
        for trigger in due {
            if let Err(fault) = fire(&app, &trigger).await {
                let reason = fault.message();
                tracing::error!(trigger = trigger.name, reason, "cannot do what it is for");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Starts one execution, and notes that. The id says which trigger and which time it is for, so
/// that a crash in between starts no second one.
async fn fire(app: &App, trigger: &CronTrigger) -> Result<(), Fault> {
    let caller = Caller::of(&trigger.project);
    let name = format!("{}/{}", trigger.id, trigger.next);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
    let started = start(app, &caller, wanted(trigger, id));
    // One that cannot start is told of and not tried again before its next time.
    if let Err(fault) = started.await {
        let reason = fault.message();
        tracing::error!(trigger = trigger.name, reason, "starts no execution");
    }
    let now = app.now();
    let noted = app.catalogue.change(|kept, edits| {
        // It may have been deleted meanwhile.
        if kept.cron_triggers.get(&trigger.id).is_some() {
            match trigger.after(now) {
                Some(next) => edits.put(next),
                None => edits.drop::<CronTrigger>(&trigger.id),
            }
        }
        Ok(())
    });
    noted.await?;
    app.delegating.doubt(&trigger.id);
    Ok(())
}

/// What a trigger wants started. The description is Mistral's (`mistral/services/periodic.py`).
fn wanted(trigger: &CronTrigger, id: Uuid) -> Wanted {
    let description = json!({
        "description": "Workflow execution created by cron trigger.",
        "triggered_by": {"type": "cron_trigger", "id": trigger.id, "name": trigger.name},
    });
    Wanted {
        id: Some(id.to_string()),
        workflow: Some(trigger.workflow_id.clone()),
        input: trigger.workflow_input.clone(),
        params: trigger.workflow_params.clone(),
        description: description.to_string(),
        acts: As::Trigger(trigger.id.clone()),
        ..Wanted::default()
    }
}
