//! What a notification starts.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::notification::Notification;
use super::{Pause, Stop, sleep};
use crate::app::App;
use crate::catalogue::event_trigger::{EventTrigger, Source};
use crate::delegation::As;
use crate::identity::{Caller, Scope};
use crate::maintenance::Status;
use crate::start::{Object, Wanted, start};

/// How often to look whether maintenance is over.
const LOOK: Duration = Duration::from_secs(1);

/// Starts all that triggers want for a notification. Once this is ready and says so, it is durable;
/// it says no where it was told to stop before.
pub(super) async fn fire(
    app: &App,
    source: &Source,
    notification: &Notification,
    stop: &mut Stop,
) -> bool {
    let triggers: Vec<String> = {
        let kept = app.catalogue.kept();
        let triggers = kept.event_triggers.all();
        let wanted = triggers.filter(|one| one.source == *source && one.hears(notification));
        wanted.map(|one| one.id.clone()).collect()
    };
    if triggers.is_empty() {
        return true;
    }
    let definitions = &app.events.settings.definitions;
    let params = definitions.params(notification, app.now());
    for trigger in triggers {
        // The same for all tries.
        let id = execution(&trigger, notification);
        if !fire_one(app, (&trigger, id), &params, stop).await {
            return false;
        }
    }
    true
}

/// The id of what `trigger` starts: a notification that comes again starts nothing anew. One
/// without an id cannot be told from others.
fn execution(trigger: &str, notification: &Notification) -> Uuid {
    match &notification.id {
        Some(id) => Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{trigger}/{id}").as_bytes()),
        None => Uuid::new_v4(),
    }
}

async fn fire_one(
    app: &App,
    (trigger, id): (&str, Uuid),
    params: &Object,
    stop: &mut Stop,
) -> bool {
    let mut pause = Pause::default();
    loop {
        // What comes during maintenance starts once that is over.
        if app.maintenance.status() != Status::Running {
            if sleep(LOOK, stop).await {
                return false;
            }
            continue;
        }
        let trigger = {
            let kept = app.catalogue.kept();
            kept.event_triggers.get(trigger).cloned()
        };
        // It may have been deleted meanwhile.
        let Some(trigger) = trigger else {
            return true;
        };
        let caller = Caller::of(&trigger.project);
        let started = start(app, &caller, wanted(&trigger, id, params)).await;
        let Err(fault) = started else {
            return true;
        };
        let reason = fault.message();
        // One that can never start is told of; another may start later.
        if !fault.may_pass() {
            tracing::error!(trigger = trigger.id, reason, "starts no execution");
            return true;
        }
        tracing::warn!(trigger = trigger.id, reason, "starts no execution yet");
        if sleep(pause.next(), stop).await {
            return false;
        }
    }
}

impl EventTrigger {
    /// Whether it is for a notification. Projects learn nothing of each other: only what a project
    /// has to do with itself, or what an administrator shares, starts something. Where nobody is
    /// asked who they are, nobody is told apart.
    fn hears(&self, notification: &Notification) -> bool {
        self.event == notification.event_type
            && (self.scope == Scope::Public
                || notification.project() == Some(&self.project)
                || self.project == Caller::anybody().project)
    }
}

/// What a trigger wants started. The description is Mistral's.
fn wanted(trigger: &EventTrigger, id: Uuid, event: &Object) -> Wanted {
    let sentence = format!(
        "Workflow execution created by event trigger '({})'.",
        trigger.id
    );
    let description = json!({
        "description": sentence,
        "triggered_by": {"type": "event_trigger", "id": trigger.id, "name": trigger.name},
    });
    let mut params = trigger.workflow_params.clone();
    params.insert("event_params".to_owned(), Value::Object(event.clone()));
    Wanted {
        id: Some(id.to_string()),
        workflow: Some(trigger.workflow_id.clone()),
        input: trigger.workflow_input.clone(),
        params,
        description: description.to_string(),
        acts: As::Trigger(trigger.id.clone()),
        ..Wanted::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(project: &str, scope: Scope) -> EventTrigger {
        EventTrigger {
            id: "t".to_owned(),
            name: "told".to_owned(),
            workflow_id: "w".to_owned(),
            workflow_input: Object::new(),
            workflow_params: Object::new(),
            source: Source {
                exchange: "nova".to_owned(),
                topic: "notifications".to_owned(),
            },
            event: "a.start".to_owned(),
            project: project.to_owned(),
            scope,
            created_at: 0,
            updated_at: None,
        }
    }

    fn notification(event: &str, project: Option<&str>) -> Notification {
        let body = json!({
            "event_type": event,
            "message_id": "m",
            "_context_project_id": project,
        });
        Notification::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_project_hears_of_itself_only() {
        let mine = trigger("mine", Scope::Private);
        assert!(mine.hears(&notification("a.start", Some("mine"))));
        assert!(!mine.hears(&notification("a.start", Some("another"))));
        assert!(!mine.hears(&notification("a.start", None)));
        assert!(!mine.hears(&notification("a.start.more", Some("mine"))));
        let shared = trigger("mine", Scope::Public);
        assert!(shared.hears(&notification("a.start", Some("another"))));
        let anybody = trigger(&Caller::anybody().project, Scope::Private);
        assert!(anybody.hears(&notification("a.start", None)));
    }

    #[test]
    fn the_same_notification_starts_the_same_execution_for_one_trigger() {
        let first = notification("a.start", None);
        assert_eq!(execution("t", &first), execution("t", &first));
        assert_ne!(execution("t", &first), execution("u", &first));
        let nameless = Notification { id: None, ..first };
        assert_ne!(execution("t", &nameless), execution("t", &nameless));
    }
}
