//! Where requests to hosts outside of the cloud may go, and what is the same for all requests.
//!
//! A name is looked up once, its addresses are checked, and the connection is made to these very
//! addresses: a name that has another address a moment later leads nowhere. `std.http` and the
//! requests of packs both go this way; what they allow is their own.
//!
//! Where to look: [`Lookup`] finds addresses, [`Zone`] says what kind of address one is, and
//! [`client()`] is a client that goes nowhere by itself.
//!
//! ```
//! use ostro_egress::Zone;
//!
//! let zone = |text: &str| Zone::of(text.parse().unwrap());
//! assert_eq!(zone("8.8.8.8"), Zone::Public);
//! assert_eq!(zone("::ffff:10.0.0.1"), Zone::Private);
//! assert_eq!(zone("169.254.169.254"), Zone::Closed);
//! ```

mod client;
mod lookup;
mod zone;

pub use client::{client, method, pinned, reason};
pub use ipnet::IpNet;
pub use lookup::{Found, Lookup};
pub use zone::Zone;
