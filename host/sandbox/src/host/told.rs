//! Whoever observes is told of host calls.

use std::time::{Duration, Instant};

use super::contract::types::CallError;
use crate::observer::{HostCall, HostCallEnd};
use crate::state::Caller;

impl Caller {
    /// Has a host call carried out, and tells of it. `service` is what it is for.
    pub(crate) async fn told<T>(
        &self,
        call: &'static str,
        service: &str,
        live: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut telling = Telling {
            caller: self,
            call,
            service,
            began: Instant::now(),
            end: HostCallEnd::Cancelled,
        };
        let answer = live.await;
        telling.end = end(&answer);
        answer
    }

    /// As [`Caller::told`], for what the host answers at once.
    pub(crate) fn told_at_once<T>(
        &self,
        call: &'static str,
        service: &str,
        live: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let began = Instant::now();
        let answer = live();
        self.tell(call, service, began.elapsed(), end(&answer));
        answer
    }

    /// Tells of a host call that has ended.
    pub(crate) fn tell(&self, call: &'static str, service: &str, time: Duration, end: HostCallEnd) {
        if let Some(observer) = &self.observer {
            observer.host_called(&HostCall {
                call,
                service,
                pack: &self.policy.id,
                context: &self.context,
                time,
                end,
            });
        }
    }
}

/// A host call, of which is told when this goes: also where its action ends before it does.
struct Telling<'a> {
    caller: &'a Caller,
    call: &'static str,
    service: &'a str,
    began: Instant,
    end: HostCallEnd,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.caller.tell(self.call, self.service, took, self.end);
    }
}

fn end<T>(answer: &Result<T, CallError>) -> HostCallEnd {
    match answer {
        Ok(_) => HostCallEnd::Answered,
        Err(CallError::Denied(_)) => HostCallEnd::Denied,
        Err(CallError::Refused(_)) => HostCallEnd::Refused,
        Err(CallError::Invalid(_)) => HostCallEnd::Invalid,
        Err(CallError::Unavailable(_)) => HostCallEnd::Unavailable,
        Err(CallError::Exhausted(_)) => HostCallEnd::Exhausted,
    }
}
