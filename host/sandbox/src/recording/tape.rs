//! The decorator around the host's side of a call: live, recorded, or replayed.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostro_core::ActionOutcome;
use ostro_packs::FolderGrant;
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
    Recorded(Arc<Mutex<Taken>>),
    /// They are compared with what was recorded, and answered from there.
    Replayed(Arc<Mutex<Played>>),
}

/// A call whose last argument and whose answer come while the guest goes on.
pub(crate) enum Later {
    Live,
    Recorded {
        taken: Arc<Mutex<Taken>>,
        /// Its place; none if there was no room for it.
        at: Option<usize>,
    },
    Replayed {
        played: Arc<Mutex<Played>>,
        call: Box<RecordedCall>,
        /// Which host call it is, from 1.
        at: usize,
        /// What the guest gave until now.
        arguments: Value,
    },
}

/// What happens to a call.
enum Begun<A> {
    /// It has its answer.
    Answered(A),
    /// It is carried out, and kept at this place, if it is kept.
    Goes(Option<usize>),
}

/// Stops a guest whose replay is over.
#[derive(Debug, Error)]
#[error("the replay is over")]
struct Over;

impl Tape {
    pub(crate) fn record(limit: usize) -> Self {
        Tape::Recorded(Arc::new(Mutex::new(Taken {
            calls: Vec::new(),
            folders: Vec::new(),
            left: limit,
            cut: None,
        })))
    }

    pub(crate) fn replay(recording: &Recording, time_limit: u64) -> Self {
        Tape::Replayed(Arc::new(Mutex::new(Played::new(recording, time_limit))))
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
        let at = match self.before(call, arguments)? {
            Begun::Answered(answer) => return Ok(answer),
            Begun::Goes(at) => at,
        };
        let answer = live.await;
        self.after(at, &answer);
        Ok(answer)
    }

    /// As [`Tape::through`], for what the host answers at once.
    pub(crate) fn at_once<A: Answer>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
        live: impl FnOnce() -> A,
    ) -> wasmtime::Result<A> {
        let at = match self.before(call, arguments)? {
            Begun::Answered(answer) => return Ok(answer),
            Begun::Goes(at) => at,
        };
        let answer = live();
        self.after(at, &answer);
        Ok(answer)
    }

    /// Begins a call that goes on beside the guest; `arguments` without what comes later.
    pub(crate) fn later(
        &mut self,
        call: &'static str,
        arguments: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Later> {
        match self {
            Tape::Live => Ok(Later::Live),
            Tape::Recorded(taken) => Ok(Later::Recorded {
                at: locked(taken).begin(call, arguments()),
                taken: Arc::clone(taken),
            }),
            Tape::Replayed(played) => {
                let arguments = arguments();
                let mut play = locked(played);
                let call = Box::new(play.later(call, &arguments).ok_or(Over)?);
                Ok(Later::Replayed {
                    at: play.at,
                    played: Arc::clone(played),
                    call,
                    arguments,
                })
            }
        }
    }

    /// `recording` with what was kept; none if nothing was to be kept.
    pub(crate) fn finish_recording<'a>(
        self,
        recording: Recording,
        outcome: &ActionOutcome,
        provides: impl Iterator<Item = &'a str>,
    ) -> Option<Recording> {
        match self {
            Tape::Recorded(taken) => Some(locked(&taken).finish(recording, outcome, provides)),
            Tape::Live | Tape::Replayed(_) => None,
        }
    }

    /// What came of a replay where the action ended in `outcome`.
    pub(crate) fn finish_replay(self, outcome: &ActionOutcome) -> Replayed {
        match self {
            Tape::Replayed(played) => locked(&played).finish(outcome),
            Tape::Live | Tape::Recorded(_) => Replayed {
                outcome: None,
                difference: None,
            },
        }
    }

    /// The folders that were used, for the recording.
    pub(crate) fn used(&mut self, folders: impl FnOnce() -> Vec<FolderGrant>) {
        if let Tape::Recorded(taken) = self {
            locked(taken).folders = folders();
        }
    }

    fn before<A: Answer>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
    ) -> wasmtime::Result<Begun<A>> {
        let arguments = arguments.unwrap_or_default();
        match self {
            Tape::Live => Ok(Begun::Goes(None)),
            Tape::Recorded(taken) => Ok(Begun::Goes(locked(taken).begin(call, arguments))),
            Tape::Replayed(played) => {
                let mut played = locked(played);
                let answer = played.next(call, &arguments).ok_or(Over)?;
                let at = played.at;
                let answer = played.decoded(call, at, answer).ok_or(Over)?;
                Ok(Begun::Answered(answer))
            }
        }
    }

    fn after(&mut self, at: Option<usize>, answer: &impl Answer) {
        if let Tape::Recorded(taken) = self {
            locked(taken).end(at, answer.encode());
        }
    }
}

impl Later {
    /// The answer to the call, whose last argument is `body`; `live` gives it where the call is
    /// carried out. None if the replay is over.
    pub(crate) async fn through<A: Answer>(
        self,
        body: &[u8],
        live: impl Future<Output = A> + Send,
    ) -> Option<A> {
        match self {
            Later::Live => Some(live.await),
            Later::Recorded { taken, at } => {
                locked(&taken).add(at, wire::body(body));
                let answer = live.await;
                locked(&taken).end(at, answer.encode());
                Some(answer)
            }
            Later::Replayed {
                played,
                call,
                at,
                mut arguments,
            } => {
                if let (Some(body), Some(all)) = (wire::body(body), arguments.as_object_mut()) {
                    all.insert("body".to_owned(), body);
                }
                if !locked(&played).is_as_recorded(&call, at, &arguments) {
                    return None;
                }
                match call.answer {
                    Some(answer) => locked(&played).decoded(&call.call, at, answer),
                    // It never had one.
                    None => std::future::pending().await,
                }
            }
        }
    }
}

/// What is in a tape, for as short as it takes.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is kept of a call that is recorded.
pub(crate) struct Taken {
    calls: Vec<RecordedCall>,
    folders: Vec<FolderGrant>,
    /// How many more bytes fit.
    left: usize,
    cut: Option<String>,
}

impl Taken {
    /// Keeps a call, if there is room for it; where.
    fn begin(&mut self, call: &str, arguments: Value) -> Option<usize> {
        if !self.fits(&arguments) {
            return None;
        }
        self.calls.push(RecordedCall {
            call: call.to_owned(),
            arguments,
            answer: None,
        });
        Some(self.calls.len() - 1)
    }

    /// Adds the body of a call.
    fn add(&mut self, at: Option<usize>, body: Option<Value>) {
        let (Some(at), Some(body)) = (at, body) else {
            return;
        };
        if self.fits(&body)
            && let Some(call) = self.calls.get_mut(at)
            && let Some(arguments) = call.arguments.as_object_mut()
        {
            arguments.insert("body".to_owned(), body);
        }
    }

    fn end(&mut self, at: Option<usize>, answer: Value) {
        let Some(at) = at else { return };
        if self.fits(&answer)
            && let Some(call) = self.calls.get_mut(at)
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
    fn finish<'a>(
        &mut self,
        mut recording: Recording,
        outcome: &ActionOutcome,
        provides: impl Iterator<Item = &'a str>,
    ) -> Recording {
        recording.calls = mem::take(&mut self.calls);
        recording.folders = mem::take(&mut self.folders);
        // What comes after this is kept nowhere.
        let late = || "the action execution has ended".to_owned();
        recording.cut = self.cut.replace(late());
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
        let is_free = |expected: &HashSet<String>| !expected.contains(interface(call));
        if self.expected.as_ref().is_some_and(is_free)
            && let Some(answer) = self.by_itself(call, arguments)
        {
            return Some(answer);
        }
        let recorded = self.pop(call, arguments)?;
        let at = self.at;
        if !self.is_as_recorded(&recorded, at, arguments) {
            return None;
        }
        self.has_ended = recorded.answer.is_none();
        recorded.answer
    }

    /// The call that is recorded next, if it is this function's.
    fn pop(&mut self, call: &str, arguments: &Value) -> Option<RecordedCall> {
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
        Some(recorded)
    }

    /// The call that a guest begins; none if the replay is over.
    fn later(&mut self, call: &str, arguments: &Value) -> Option<RecordedCall> {
        if self.difference.is_some() {
            return None;
        }
        let recorded = self.pop(call, arguments)?;
        // Where the last call has no answer because a limit ended the action, the guest would
        // wait for it until the same limit.
        let is_last = recorded.answer.is_none() && self.calls.is_empty();
        let kind = || self.outcome.as_ref()?.get("error")?.get("kind")?.as_str();
        if is_last && kind() == Some("limit") {
            self.has_ended = true;
            return None;
        }
        Some(recorded)
    }

    /// Whether a call has the arguments that it was recorded with.
    fn is_as_recorded(&mut self, recorded: &RecordedCall, at: usize, arguments: &Value) -> bool {
        if self.difference.is_some() {
            return false;
        }
        let place = format!("host call {at}, {}", recorded.call);
        self.difference = if self.expected.is_some() {
            let wanted = wire::without_style(&recorded.arguments);
            let given = wire::without_style(arguments);
            self.comparison.first(&place, &wanted, &given)
        } else {
            let wanted = &recorded.arguments;
            self.comparison.first(&place, wanted, arguments)
        };
        self.difference.is_none()
    }

    /// The answer that was recorded, if the function can give it.
    fn decoded<A: Answer>(&mut self, call: &str, at: usize, answer: Value) -> Option<A> {
        let decoded = A::decode(&answer);
        if decoded.is_none() {
            self.difference = Some(Difference {
                place: format!("host call {at}, {call}"),
                path: "answer: the function has none of this form".to_owned(),
                recorded: Some(answer),
                now: None,
            });
        }
        decoded
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
    fn finish(&mut self, outcome: &ActionOutcome) -> Replayed {
        let difference = self.difference.take();
        if difference.is_some() || self.has_ended {
            return Replayed {
                outcome: None,
                difference,
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
