//! States and events with their large parts taken out, each kept once by its digest.
//!
//! In memory a value is shared by all that hold it: a thousand tasks that hand on a megabyte
//! cost a megabyte. Plain JSON repeats it a thousand times. [`save`] writes JSON in which each
//! part (a list, a mapping, a text) whose own JSON takes [`THRESHOLD`] bytes or more is a
//! reference to the SHA-256 digest of that JSON, which may in turn hold references. [`load`]
//! puts it together again, and what had the same digest is the same part in memory.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//!
//! use ostro_core::{Value, stored};
//!
//! let large = Value::from("x".repeat(1 << 20));
//! let state: Vec<Value> = vec![large; 1_000];
//! let saved = stored::save(&state)?;
//! assert_eq!(saved.values.len(), 1);
//! assert!(saved.body.len() < 100_000);
//!
//! let mut fetch = |digest: &stored::Digest| -> Result<Option<Arc<[u8]>>, Infallible> {
//!     let mut values = saved.values.iter();
//!     Ok(values.find(|value| value.digest == *digest).map(|value| Arc::clone(&value.bytes)))
//! };
//! let loaded: Vec<Value> = stored::load(&saved.body, &mut fetch)?;
//! assert_eq!(loaded, state);
//! let (Value::String(first), Value::String(last)) = (&loaded[0], &loaded[999]) else {
//!     return Err("they are texts".into());
//! };
//! assert!(Arc::ptr_eq(first, last));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Value`](crate::Value) does this by itself. A field that is an `Arc` of something else
//! does it with [`shared`]; one without it is written in full wherever it occurs.
//!
//! A reference is the text `@sha256:` with 64 digits. A text that begins with `@` is written
//! with one `@` more, so that no data is taken for a reference.

mod hand;
mod read;
mod reference;
pub mod shared;
mod write;

use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::stored::hand::{Open, Work};
use crate::stored::read::Loading;
use crate::stored::write::Writer;

/// The SHA-256 digest of a part's JSON.
pub type Digest = [u8; 32];

/// How many bytes of JSON a part takes at least to be stored on its own. A reference takes 74.
pub const THRESHOLD: usize = 1024;

/// What is hardly longer than a reference stays where it is.
const MIN_THRESHOLD: usize = 128;

/// What [`save`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The JSON, with references.
    pub body: Vec<u8>,
    /// All that the body refers to, and that these refer to: each once, a part after those that
    /// it refers to.
    pub values: Vec<StoredValue>,
}

/// A part that is stored on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// The digest of `bytes`, by which it is found again.
    pub digest: Digest,
    /// Its JSON, with references to the large parts in it.
    pub bytes: Arc<[u8]>,
}

/// Gives the bytes that are stored under a digest, if there are any.
pub type Fetch<'f, E> = dyn FnMut(&Digest) -> Result<Option<Arc<[u8]>>, E> + 'f;

/// Why something cannot be saved: what serde_json does not write either, or what is nested more
/// deeply than serde_json reads.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be saved: {0}")]
pub struct SaveError(#[from] serde_json::Error);

/// Why something cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E: Display> {
    /// The values could not be asked for.
    #[error("a stored value cannot be fetched: {0}")]
    Fetch(E),
    /// Nothing is stored under a digest.
    #[error("the stored value {} is missing", reference::hex(.0))]
    Missing(Digest),
    /// What is stored under a digest is something else.
    #[error("the stored value {} is not what was stored", reference::hex(.0))]
    Tampered(Digest),
    /// It is no JSON, or not that of what is wanted, or nested too deeply.
    #[error("what is stored cannot be read: {0}")]
    Malformed(serde_json::Error),
}

/// The JSON of `value` without its large parts, and these. What is shared in memory is written
/// once; the same value always gives the same bytes.
///
/// # Errors
/// If it cannot be written as JSON, or is nested too deeply to be read again.
pub fn save<T: Serialize + ?Sized>(value: &T) -> Result<Saved, SaveError> {
    save_from(THRESHOLD, value)
}

/// As [`save`], where parts of `threshold` bytes or more, but not of less than 128, are stored on
/// their own. [`load`] reads it all the same.
///
/// # Errors
/// As [`save`].
pub fn save_from<T: Serialize + ?Sized>(threshold: usize, value: &T) -> Result<Saved, SaveError> {
    let _open = Open::new(Work::Save);
    let mut writer = Writer::new(threshold.max(MIN_THRESHOLD));
    value.serialize(&mut writer)?;
    Ok(writer.finish())
}

/// The inverse of [`save`]: asks `fetch` for each digest once, and believes it nothing that does
/// not have the digest.
///
/// # Errors
/// If a value is missing or not what was stored, if `fetch` fails, or if what is stored is not
/// the JSON of a `T`.
pub fn load<T, E>(body: &[u8], fetch: &mut Fetch<'_, E>) -> Result<T, LoadError<E>>
where
    T: DeserializeOwned,
    E: Display,
{
    let mut problem = None;
    let mut checked = |digest: &Digest| {
        let error = match fetch(digest) {
            Ok(Some(bytes)) if digest_of(&bytes) == *digest => return Some(bytes),
            Ok(Some(_)) => LoadError::Tampered(*digest),
            Ok(None) => LoadError::Missing(*digest),
            Err(error) => LoadError::Fetch(error),
        };
        // A type that tries one reading after another may go on after the first problem.
        problem.get_or_insert(error);
        None
    };
    let _open = Open::new(Work::Load);
    let loaded = Loading::new(&mut checked).read(body);
    match (problem, loaded) {
        (Some(problem), _) => Err(problem),
        (None, loaded) => loaded.map_err(LoadError::Malformed),
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
