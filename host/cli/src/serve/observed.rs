//! What packs do, as the server shows it.

use ostro_sandbox::Observer;
use ostro_server::{HostCall, HostCalls};

/// Tells the server of the host calls of packs.
pub(super) struct Observed(pub(super) HostCalls);

impl Observer for Observed {
    fn host_called(&self, call: &ostro_sandbox::HostCall<'_>) {
        self.0.called(&HostCall {
            call: call.call,
            service: call.service,
            pack: &call.pack.name,
            end: call.end.as_str(),
            time: call.time,
            execution_id: &call.context.execution_id,
            action_execution_id: &call.context.action_execution_id,
        });
    }
}
