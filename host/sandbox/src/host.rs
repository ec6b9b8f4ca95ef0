//! The host's side of the contract: every function that a guest can call.
//!
//! Each function counts the call, checks the grant, and only then does something. What is wrong
//! with a call is a value for the guest; only a limit stops it. Between the count and the check is
//! the `Tape`, which records a call and its answer, or answers from a recording.

mod bindings;
mod files;
#[cfg(test)]
mod fuzz;
mod headers;
mod http;
mod objects;
mod openstack;
mod output;
mod plain;
mod secrets;
mod text;
mod told;

use ostro_packs::Component;
use wasmtime::component::{HasSelf, Linker};

use crate::state::State;
pub(crate) use bindings::ostro::host as contract;
pub(crate) use files::{Files, Opened};
pub(crate) use http::{Http, Parts};
pub(crate) use objects::Objects;
pub(crate) use output::Output;

/// Links the interfaces that `component` imports, and no other. That its pack may have them was
/// checked before.
pub(crate) fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let mut wasi = false;
    let mut http = false;
    for import in component
        .imports
        .iter()
        .filter(|import| !import.items.is_empty())
    {
        let path = import.interface.split('@').next().unwrap_or_default();
        match path.strip_prefix("ostro:host/") {
            Some("openstack") => contract::openstack::add_to_linker::<_, Data>(linker, same)?,
            Some("openstack-read") => {
                contract::openstack_read::add_to_linker::<_, Data>(linker, same)?;
            }
            Some("object-store") => contract::object_store::add_to_linker::<_, Data>(linker, same)?,
            Some("object-store-read") => {
                contract::object_store_read::add_to_linker::<_, Data>(linker, same)?;
            }
            Some("secrets") => contract::secrets::add_to_linker::<_, Data>(linker, same)?,
            Some("messaging") => contract::messaging::add_to_linker::<_, Data>(linker, same)?,
            Some("progress") => contract::progress::add_to_linker::<_, Data>(linker, same)?,
            Some("log") => contract::log::add_to_linker::<_, Data>(linker, same)?,
            Some("execution") => contract::execution::add_to_linker::<_, Data>(linker, same)?,
            Some("clock") => contract::clock::add_to_linker::<_, Data>(linker, same)?,
            _ => {
                wasi |= path.starts_with("wasi:");
                http |= path.starts_with("wasi:http/");
            }
        }
    }
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        // Ours stand in front of wasmtime-wasi's.
        linker.allow_shadowing(true);
        files::link(linker)?;
        linker.allow_shadowing(false);
    }
    if http {
        http::link(linker)?;
    }
    Ok(())
}

/// What the functions of an interface work on: the store's data itself.
type Data = HasSelf<State>;

/// The [`Data`] in a store's data.
fn same(state: &mut State) -> &mut State {
    state
}
