//! One action execution in one fresh wasm instance, within its grants and limits.
//!
//! # Threat model
//!
//! The author of a component is not trusted, and neither is what it returns. The operator, the
//! host and OpenStack's services are trusted; what a service answers is data.
//!
//! | a guest tries to | what stops it |
//! |---|---|
//! | reach a file, a socket, the environment | it is linked to the interfaces of `ostro:host` alone; WASI is an empty world, but for what is granted |
//! | leave a folder that is granted | the folder's own handle is opened at load, and paths are kept below it; links are not made; what is no plain file is not opened |
//! | fill the disk | each folder has limits over all that it holds |
//! | reach a host that is not granted, or a private network | the address is parsed in one spelling and checked; a name is looked up once, its addresses are checked, and these are connected to; redirects are answers |
//! | call what its pack is not granted | [`Sandbox::load`] refuses the import; each host call is checked against `ostro_packs::Grants` |
//! | reach another origin | it names a service type and an `ostro_core::RelativePath`; only the session knows endpoints |
//! | learn a token or an endpoint | the session adds the token after the request left the guest; answers lose headers that carry credentials or origins; Keystone's routes that give out credentials are never granted |
//! | learn a secret that it may only use | it has a text that stands for it; the host puts the value in when it sends, to destinations that are granted, and takes it out of answers, lines, results and recordings |
//! | fill Swift with parts of objects | an upload that is not finished leaves none; readers and writers are counted |
//! | act as someone else | headers that belong to the host are refused |
//! | run for ever, or hold a thread | the epoch ends each turn after 10 ms and the call at its deadline; waiting has the same deadline |
//! | fill the memory | the memory of an instance, the size of what passes the border, host calls and handles are bounded |
//! | starve others | instances and host calls a second are bounded for each pack and project, which take turns; a pack that traps again and again is paused |
//! | harm another call | each call has an instance, a store and a limit of its own; nothing is kept between calls |
//! | lie about its type | the engine checks what passes; JSON that is none is an error of the component |
//! | deceive the operator | what it logs is cut, and its control characters are escaped |
//!
//! A denied host call is a value for the guest and a line for the operator that says what to
//! grant. A limit ends the call. A trap, a limit, the action's own error and a fault of the host
//! are four different things in [`CallError`].
//!
//! Not covered: timing channels between guests on the same processor, and whoever can write to
//! the cache of compiled components ([`SandboxConfig::cache_dir`]).
//!
//! # Where to look
//!
//! `pack` loads and links, `call` is one call, `host` is the host's side of the contract,
//! `secrets` keeps what the operator provides from guests and people,
//! `convert` is the border between workflow values and WIT values, and `recording` keeps what
//! passed in host calls and plays it again; its top has the format.

mod call;
mod convert;
mod engine;
mod error;
mod folders;
mod health;
mod host;
mod observer;
mod pace;
mod pack;
mod quota;
mod recording;
mod secrets;
mod state;
mod turns;

pub use engine::{Sandbox, SandboxConfig};
pub use error::{CallError, LimitError, LimitKind, RecordingError, SandboxError};
pub use health::{PackId, PausedPack};
pub use observer::{Called, HostCall, HostCallEnd, Observer};
pub use pack::{Ended, LoadedPack};
pub use quota::{Quota, Quotas};
pub use recording::{
    Difference, RecordedCall, RecordedContext, RecordedPack, Recorder, Recording, Replayed,
};
pub use secrets::{SecretError, Secrets};
