//! The interfaces that need no grant: progress, log, execution, clock.

use std::time::{Duration, SystemTime};

use ostro_core::Progress;

use super::contract::{clock, execution, log, progress, types};
use super::text::clean;
use crate::state::State;

impl types::Host for State {}

impl progress::Host for State {
    fn report(&mut self, percent: Option<u8>, message: String) -> wasmtime::Result<()> {
        self.count()?;
        let percent = percent.map(|percent| percent.min(100));
        let progress = Progress {
            percent,
            message: clean(&message),
        };
        self.caller
            .progress
            .progress(&self.caller.context, progress);
        Ok(())
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
        self.caller.note(&format!("{level}: {}", clean(&message)));
        Ok(())
    }
}

impl execution::Host for State {
    fn get_context(&mut self) -> wasmtime::Result<execution::Context> {
        self.count()?;
        let context = &self.caller.context;
        Ok(execution::Context {
            execution_id: context.execution_id.as_str().to_owned(),
            workflow_name: context.workflow_name.to_string(),
            task_name: context.task_name.as_ref().map(ToString::to_string),
            action_execution_id: context.action_execution_id.as_str().to_owned(),
            attempt: context.attempt,
            deadline: now_millis().saturating_add(millis(self.caller.time_left())),
        })
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        Ok(now_millis())
    }

    async fn sleep(&mut self, milliseconds: u64) -> wasmtime::Result<()> {
        self.count()?;
        // Nothing outlives the deadline: longer sleeps only have to reach it.
        let longest = self.caller.time_left() + Duration::from_secs(1);
        tokio::time::sleep(Duration::from_millis(milliseconds).min(longest)).await;
        Ok(())
    }
}

fn now_millis() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
