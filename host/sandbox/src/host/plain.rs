//! The interfaces that need no grant: progress, log, execution, clock.

use std::time::{Duration, SystemTime};

use ostro_core::Progress;
use serde_json::json;

use super::contract::{clock, execution, log, progress, types};
use super::text::clean;
use crate::state::State;

impl types::Host for State {}

impl progress::Host for State {
    fn report(&mut self, percent: Option<u8>, message: String) -> wasmtime::Result<()> {
        self.count()?;
        let percent = percent.map(|percent| percent.min(100));
        let message = clean(&message);
        let arguments = self
            .tape
            .arguments(|| json!({ "percent": percent, "message": message }));
        let caller = &self.caller;
        self.tape.at_once("progress.report", arguments, || {
            let progress = Progress { percent, message };
            caller.progress.progress(&caller.context, progress);
        })
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        let level = match level {
            log::Level::Debug => "debug",
            log::Level::Info => "info",
            log::Level::Warning => "warning",
            log::Level::Error => "error",
        };
        let message = clean(&message);
        let arguments = self
            .tape
            .arguments(|| json!({ "level": level, "message": message }));
        let caller = &self.caller;
        self.tape.at_once("log.write", arguments, || {
            caller.note(&format!("{level}: {message}"));
        })
    }
}

impl execution::Host for State {
    fn get_context(&mut self) -> wasmtime::Result<execution::Context> {
        self.count()?;
        let arguments = self.tape.arguments(|| json!({}));
        let caller = &self.caller;
        let context = &caller.context;
        self.tape
            .at_once("execution.get-context", arguments, || execution::Context {
                execution_id: context.execution_id.as_str().to_owned(),
                workflow_name: context.workflow_name.to_string(),
                task_name: context.task_name.as_ref().map(ToString::to_string),
                action_execution_id: context.action_execution_id.as_str().to_owned(),
                attempt: context.attempt,
                deadline: now_millis().saturating_add(millis(caller.time_left())),
            })
    }

    fn defer(&mut self) -> wasmtime::Result<()> {
        self.count()?;
        let arguments = self.tape.arguments(|| json!({}));
        self.tape.at_once("execution.defer", arguments, || ())?;
        self.deferred = true;
        Ok(())
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        let arguments = self.tape.arguments(|| json!({}));
        self.tape.at_once("clock.now", arguments, now_millis)
    }

    async fn sleep(&mut self, milliseconds: u64) -> wasmtime::Result<()> {
        self.count()?;
        // Nothing outlives the deadline: longer sleeps only have to reach it.
        let longest = self.caller.time_left() + Duration::from_secs(1);
        let arguments = self
            .tape
            .arguments(|| json!({ "milliseconds": milliseconds }));
        let live = async {
            tokio::time::sleep(Duration::from_millis(milliseconds).min(longest)).await;
        };
        self.tape.through("clock.sleep", arguments, live).await
    }
}

fn now_millis() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
