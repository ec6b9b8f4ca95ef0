//! The policies of tasks: what happens before a task starts and after it has ended.

use std::sync::Arc;

use ostro_core::{Map, State, Value};
use ostro_lang::{Retry, Task, Template};

use crate::decide::Turn;
use crate::execution::TimerPurpose;
use crate::pause::Origin;
use crate::reason::written;

/// What policies say about the end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has ended.
    Over,
    /// A timer was set: it has not.
    Later,
}

/// A delay as it was given, and in milliseconds.
struct Delay {
    text: String,
    millis: i64,
}

impl Turn<'_> {
    /// Asks the policies of `task` whether it may start now.
    pub(crate) fn before_start(&mut self, task: usize, spec: &Task) -> Result<bool, String> {
        let policies = &spec.policies;
        if let Some(pause) = &policies.pause_before
            && !self.execution.tasks[task].paused_before
        {
            self.execution.task_mut(task).paused_before = true;
            let pauses = self.condition("pause-before", pause, task)?;
            let outcome = if pauses { "pauses" } else { "does-not-pause" };
            self.policy_said(task, "pause-before", outcome, None);
            if pauses {
                self.set_state(
                    task,
                    State::Idle,
                    Some("Set by 'pause-before' policy".to_owned()),
                );
                self.pause(None, Origin::Own);
                return Ok(false);
            }
        }
        let now = self.now;
        self.execution.task_mut(task).started_at.get_or_insert(now);
        // As in Mistral, what `wait-before` takes is part of the timeout.
        if let Some(timeout) = &policies.timeout {
            let timeout = self.delay("timeout", timeout, task)?;
            if timeout.millis > 0 {
                self.execution.task_mut(task).timeout = Some(timeout.millis);
                self.set_timeout(task, timeout.millis);
            }
        }
        if let Some(wait) = &policies.wait_before {
            let wait = self.delay("wait-before", wait, task)?;
            if wait.millis > 0 {
                let info = format!("Delayed by 'wait-before' policy [delay={}]", wait.text);
                self.set_state(task, State::Delayed, Some(info));
                self.set_timer(task, wait.millis, TimerPurpose::WaitBefore);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives the current try of `task` `millis` to end.
    pub(crate) fn set_timeout(&mut self, task: usize, millis: i64) {
        let seconds = if millis % 1000 == 0 {
            (millis / 1000).to_string()
        } else {
            format!("{}.{:03}", millis / 1000, millis % 1000)
                .trim_end_matches('0')
                .to_owned()
        };
        self.set_timer(task, millis, TimerPurpose::Timeout { seconds });
    }

    /// Asks the policies of `task`, which has just ended, what they make of it.
    pub(crate) fn after_end(&mut self, task: usize, spec: &Task) -> Result<Verdict, String> {
        let policies = &spec.policies;
        let ended = &self.execution.tasks[task];
        if !matches!(ended.state, State::Success | State::Error) {
            return Ok(Verdict::Over);
        }
        if let Some(wait) = &policies.wait_after
            && !ended.waited_after
        {
            let (state, info) = (ended.state, ended.state_info.clone());
            self.execution.task_mut(task).waited_after = true;
            let wait = self.delay("wait-after", wait, task)?;
            if wait.millis > 0 {
                let delayed = format!("Delayed by 'wait-after' policy [delay={}]", wait.text);
                self.set_state(task, State::Delayed, Some(delayed));
                self.set_timer(task, wait.millis, TimerPurpose::WaitAfter { state, info });
                return Ok(Verdict::Later);
            }
        }
        if let Some(fail) = &policies.fail_on
            && self.execution.tasks[task].state == State::Success
        {
            let fails = self.condition("fail-on", fail, task)?;
            let outcome = if fails { "fails" } else { "does-not-fail" };
            self.policy_said(task, "fail-on", outcome, Some(written(fail)));
            if fails {
                let info = "Failed by 'fail-on' policy".to_owned();
                self.mark(task, State::Error, Some(info));
            }
        }
        match &policies.retry {
            Some(retry) => self.retry(task, retry),
            None => Ok(Verdict::Over),
        }
    }

    fn retry(&mut self, task: usize, retry: &Retry) -> Result<Verdict, String> {
        let count = self.retry_value("count of retry", &retry.count, task)?;
        let Some(count) = count.as_int().and_then(|count| u32::try_from(count).ok()) else {
            return Err(format!(
                "the count of retry must be a whole number, got {count}"
            ));
        };
        let ended = &self.execution.tasks[task];
        let (state, attempt) = (ended.state, ended.attempt);
        let tries = |turn: &mut Self, outcome| {
            let detail = format!("try {attempt} of {}", count.saturating_add(1));
            turn.policy_said(task, "retry", outcome, Some(detail));
        };
        if attempt > count {
            tries(self, "no-tries-left");
            return Ok(Verdict::Over);
        }
        let goes_on = match &retry.continue_on {
            Some(condition) => self
                .retry_value("continue-on", condition, task)?
                .is_truthy(),
            None => state == State::Error,
        };
        if !goes_on {
            tries(self, "no-need");
            return Ok(Verdict::Over);
        }
        if let Some(condition) = &retry.break_on
            && state == State::Error
            && self.retry_value("break-on", condition, task)?.is_truthy()
        {
            tries(self, "breaks-off");
            return Ok(Verdict::Over);
        }
        tries(self, "tries-again");
        let delay = match &retry.delay {
            Some(delay) => {
                let value = self.retry_value("delay of retry", delay, task)?;
                seconds("delay of retry", &value)?
            }
            None => Delay {
                text: "0".to_owned(),
                millis: 0,
            },
        };
        let again = self.execution.task_mut(task);
        again.attempt += 1;
        again.items = None;
        for run in &mut again.runs {
            Arc::make_mut(run).accepted = false;
        }
        let info = format!("Delayed by 'retry' policy [delay={}]", delay.text);
        self.set_state(task, State::Delayed, Some(info));
        self.set_timer(task, delay.millis, TimerPurpose::Retry);
        Ok(Verdict::Later)
    }

    /// The value of one of retry's parameters. They see what the task has just published.
    fn retry_value(
        &mut self,
        name: &str,
        template: &Template,
        task: usize,
    ) -> Result<Value, String> {
        let published = Arc::clone(&self.execution.tasks[task].published);
        self.evaluate_for(template, task, &published)
            .map_err(|error| format!("{name}: {error}"))
    }

    /// How many items of `task` may run at a time; none for all.
    pub(crate) fn concurrency(
        &mut self,
        task: usize,
        template: Option<&Template>,
    ) -> Result<Option<usize>, String> {
        let Some(template) = template else {
            return Ok(None);
        };
        let value = self
            .evaluate_for(template, task, &Map::new())
            .map_err(|error| format!("concurrency: {error}"))?;
        match value {
            Value::Null | Value::Int(0) => Ok(None),
            Value::Int(number) if number > 0 => Ok(usize::try_from(number).ok()),
            other => Err(format!("concurrency must be a whole number, got {other}")),
        }
    }

    fn condition(&mut self, name: &str, template: &Template, task: usize) -> Result<bool, String> {
        let value = self
            .evaluate_for(template, task, &Map::new())
            .map_err(|error| format!("{name}: {error}"))?;
        match value {
            Value::Null => Ok(false),
            Value::Bool(truth) => Ok(truth),
            other => Err(format!("{name} must be true or false, got {other}")),
        }
    }

    fn delay(&mut self, name: &str, template: &Template, task: usize) -> Result<Delay, String> {
        let value = self
            .evaluate_for(template, task, &Map::new())
            .map_err(|error| format!("{name}: {error}"))?;
        seconds(name, &value)
    }
}

/// `value` as seconds, whole or not; null is none.
fn seconds(name: &str, value: &Value) -> Result<Delay, String> {
    let millis = match value {
        Value::Null => Some(0),
        Value::Int(seconds) if *seconds >= 0 => seconds.checked_mul(1000),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the value is positive, and clamped to what a year-long timer needs at most"
        )]
        Value::Float(seconds) if *seconds >= 0.0 => Some((seconds * 1000.0).min(1e15) as i64),
        _ => None,
    };
    match millis {
        Some(millis) => Ok(Delay {
            text: value.to_string(),
            millis,
        }),
        None => Err(format!("{name} must be a number of seconds, got {value}")),
    }
}
