//! Why a registry cannot be built.

use thiserror::Error;

/// Why a registry cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// Two packs have the same action.
    #[error("the action {name} is in two packs, {first} and {second}: leave one of them out")]
    Duplicate {
        /// The action.
        name: String,
        /// The pack that has it.
        first: String,
        /// The pack that has it too.
        second: String,
    },
    /// Two versions of a pack have the same major.
    #[error(
        "the pack {pack} is there as {first} and as {second}: leave one out; only versions with \
         different majors go side by side"
    )]
    SameMajor {
        /// The pack.
        pack: String,
        /// Its one version.
        first: String,
        /// The other one.
        second: String,
    },
}
