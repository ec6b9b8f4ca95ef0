//! The decorator around the host's side of a call: live, recorded, or replayed.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::future::Future;

use ostro_core::ActionOutcome;
use serde_json::{Value, json};
use thiserror::Error;

use super::compare::{Comparison, Difference};
use super::wire::{self, Answer};
use super::{RecordedCall, RecordedContext, Recording, Replayed, redact};

/// When test cases take place that say nothing of time: the start of 2026, in milliseconds.
const CASE_TIME: u64 = 1_767_225_600_000;

/// What happens to the host calls of one action execution.
pub(crate) enum Tape {
    /// They are carried out.
    Live,
    /// They are carried out, and kept.
    Recorded(Taken),
    /// They are compared with what was recorded, and answered from there.
    Replayed(Box<Played>),
}

/// Stops a guest whose replay is over.
#[derive(Debug, Error)]
#[error("the replay is over")]
struct Over;

impl Tape {
    pub(crate) fn record(limit: usize) -> Self {
        Tape::Recorded(Taken {
            calls: Vec::new(),
            left: limit,
            cut: None,
        })
    }

    pub(crate) fn replay(recording: &Recording, time_limit: u64) -> Self {
        Tape::Replayed(Box::new(Played::new(recording, time_limit)))
    }

    /// The arguments of a call, made only if somebody looks at them.
    pub(crate) fn arguments(&self, make: impl FnOnce() -> Value) -> Option<Value> {
        match self {
            Tape::Live => None,
            Tape::Recorded(_) | Tape::Replayed(_) => Some(make()),
        }
    }

    /// The answer to a call; `live` gives it where the call is carried out.
    pub(crate) async fn through<A: Answer>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
        live: impl Future<Output = A> + Send,
    ) -> wasmtime::Result<A> {
        if let Some(answer) = self.before(call, arguments)? {
            return Ok(answer);
        }
        let answer = live.await;
        self.after(&answer);
        Ok(answer)
    }

    /// As [`Tape::through`], for what the host answers at once.
    pub(crate) fn at_once<A: Answer>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
        live: impl FnOnce() -> A,
    ) -> wasmtime::Result<A> {
        if let Some(answer) = self.before(call, arguments)? {
            return Ok(answer);
        }
        let answer = live();
        self.after(&answer);
        Ok(answer)
    }

    fn before<A: Answer>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
    ) -> wasmtime::Result<Option<A>> {
        let arguments = arguments.unwrap_or_default();
        match self {
            Tape::Live => Ok(None),
            Tape::Recorded(taken) => {
                taken.begin(call, arguments);
                Ok(None)
            }
            Tape::Replayed(played) => {
                let answer = played.next(call, &arguments).ok_or(Over)?;
                if let Some(answer) = A::decode(&answer) {
                    return Ok(Some(answer));
                }
                played.difference = Some(Difference {
                    place: format!("host call {}, {call}", played.at),
                    path: "answer: the function has none of this form".to_owned(),
                    recorded: Some(answer),
                    now: None,
                });
                Err(Over.into())
            }
        }
    }

    fn after(&mut self, answer: &impl Answer) {
        if let Tape::Recorded(taken) = self {
            taken.end(answer);
        }
    }
}

/// What is kept of a call that is recorded.
pub(crate) struct Taken {
    calls: Vec<RecordedCall>,
    /// How many more bytes fit.
    left: usize,
    cut: Option<String>,
}

impl Taken {
    fn begin(&mut self, call: &str, arguments: Value) {
        if self.fits(&arguments) {
            self.calls.push(RecordedCall {
                call: call.to_owned(),
                arguments,
                answer: None,
            });
        }
    }

    fn end(&mut self, answer: &impl Answer) {
        if self.cut.is_some() {
            return;
        }
        let answer = answer.encode();
        if self.fits(&answer)
            && let Some(call) = self.calls.last_mut()
        {
            call.answer = Some(answer);
        }
    }

    /// Whether there is room for `value`. After one that has none, nothing more is kept.
    fn fits(&mut self, value: &Value) -> bool {
        if self.cut.is_some() {
            return false;
        }
        if let Some(left) = self.left.checked_sub(weight(value)) {
            self.left = left;
            return true;
        }
        let calls = self.calls.len();
        self.cut = Some(format!(
            "it was larger than allowed after {calls} host calls"
        ));
        false
    }

    /// `recording` with the calls and how it all ended, and without secrets: neither those that
    /// keys give away nor those that the operator `provides`.
    pub(crate) fn finish<'a>(
        self,
        mut recording: Recording,
        outcome: &ActionOutcome,
        provides: impl Iterator<Item = &'a str>,
    ) -> Recording {
        recording.calls = self.calls;
        recording.cut = self.cut;
        recording.outcome = serde_json::to_value(outcome).ok();
        redact::redact(&mut recording, provides);
        recording
    }
}

/// About how many bytes `value` takes as JSON.
fn weight(value: &Value) -> usize {
    8 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| key.len() + weight(value))
            .sum(),
        _ => 0,
    }
}

/// A recording that is played.
pub(crate) struct Played {
    comparison: Comparison,
    calls: VecDeque<RecordedCall>,
    /// Which host call this is, from 1.
    at: usize,
    outcome: Option<Value>,
    difference: Option<Difference>,
    /// A call came that never had an answer: what was recorded ended there.
    has_ended: bool,
    /// In a test case, the interfaces that it says something of.
    expected: Option<HashSet<String>>,
    context: RecordedContext,
    time: u64,
    time_limit: u64,
}

impl Played {
    fn new(recording: &Recording, time_limit: u64) -> Self {
        let interface = |call: &RecordedCall| interface(&call.call).to_owned();
        Self {
            comparison: Comparison::new(recording),
            calls: recording.calls.iter().cloned().collect(),
            at: 0,
            outcome: recording.outcome.clone(),
            difference: None,
            has_ended: false,
            expected: recording
                .is_case
                .then(|| recording.calls.iter().map(interface).collect()),
            context: recording.context.clone(),
            time: CASE_TIME,
            time_limit,
        }
    }

    /// The answer to a call; none if the replay is over.
    fn next(&mut self, call: &str, arguments: &Value) -> Option<Value> {
        if self.difference.is_some() {
            return None;
        }
        let as_a_person;
        let arguments = if self.expected.is_some() {
            as_a_person = wire::without_style(arguments);
            &as_a_person
        } else {
            arguments
        };
        let is_free = |expected: &HashSet<String>| !expected.contains(interface(call));
        if self.expected.as_ref().is_some_and(is_free)
            && let Some(answer) = self.by_itself(call, arguments)
        {
            return Some(answer);
        }
        self.at += 1;
        let at = self.at;
        let named = |call: &str, arguments: &Value| json!({ "call": call, "arguments": arguments });
        let Some(recorded) = self.calls.pop_front() else {
            self.difference = Some(Difference {
                place: format!("host call {at}, {call}"),
                path: String::new(),
                recorded: None,
                now: Some(named(call, arguments)),
            });
            return None;
        };
        if recorded.call != call {
            self.difference = Some(Difference {
                place: format!("host call {at}"),
                path: String::new(),
                recorded: Some(named(&recorded.call, &recorded.arguments)),
                now: Some(named(call, arguments)),
            });
            return None;
        }
        let place = format!("host call {at}, {call}");
        let wanted = if self.expected.is_some() {
            wire::without_style(&recorded.arguments)
        } else {
            recorded.arguments
        };
        self.difference = self.comparison.first(&place, &wanted, arguments);
        if self.difference.is_some() {
            return None;
        }
        self.has_ended = recorded.answer.is_none();
        recorded.answer
    }

    /// What a test case answers to calls that it says nothing of: those that reach nothing.
    fn by_itself(&mut self, call: &str, arguments: &Value) -> Option<Value> {
        match call {
            "log.write" | "progress.report" | "execution.defer" => Some(json!({})),
            "clock.sleep" => {
                let milliseconds = arguments.get("milliseconds").and_then(Value::as_u64);
                self.time = self.time.saturating_add(milliseconds.unwrap_or_default());
                Some(json!({}))
            }
            "clock.now" => Some(self.time.into()),
            "execution.get-context" => {
                let mut context = serde_json::to_value(&self.context).ok()?;
                context["deadline"] = CASE_TIME.saturating_add(self.time_limit).into();
                Some(context)
            }
            _ => None,
        }
    }

    /// What came of it, where the action ended in `outcome`.
    pub(crate) fn finish(mut self, outcome: &ActionOutcome) -> Replayed {
        if self.difference.is_some() || self.has_ended {
            return Replayed {
                outcome: None,
                difference: self.difference,
            };
        }
        let outcome = serde_json::to_value(outcome).ok();
        let missing = self.calls.pop_front().map(|call| Difference {
            place: format!("host call {}, {}", self.at + 1, call.call),
            path: String::new(),
            recorded: Some(json!({ "call": call.call, "arguments": call.arguments })),
            now: None,
        });
        let difference = missing.or_else(|| match (&self.outcome, &outcome) {
            (Some(recorded), Some(now)) => self.comparison.first("the outcome", recorded, now),
            _ => None,
        });
        Replayed {
            outcome,
            difference,
        }
    }
}

fn interface(call: &str) -> &str {
    call.split('.').next().unwrap_or_default()
}
