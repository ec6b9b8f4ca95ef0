//! The component's export over [`crate::evaluate`], and the host's clock.
#![expect(
    unsafe_code,
    reason = "the generated code passes values over the component's border"
)]

use crate::World;

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/ostro-host", "../wit"],
        world: "ostro:javascript/engine",
        generate_all,
    });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::ostro::javascript::javascript::Guest;
use bindings::ostro::host::{clock, execution};

struct Component;

impl Guest for Component {
    fn evaluate(script: String, context: Option<String>) -> Result<String, String> {
        let context = context.unwrap_or_else(|| "null".to_owned());
        let world = World {
            now: clock::now,
            seed: seed(),
        };
        crate::evaluate(&script, &context, &world)
    }
}

/// Another number for each action execution and each moment: FNV-1a over both.
fn seed() -> u64 {
    let key = execution::get_context().action_execution_id;
    let bytes = key.bytes().chain(clock::now().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
