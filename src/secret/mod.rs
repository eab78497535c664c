//! The Secrets that keep private keys: read by name, created, and replaced under the uid and
//! version that were read.
//!
//! Never by a forced apply: an old leader that wakes up would replace the key of the new one (I3).
//! Answers are read as text and parsed here, because the client library logs a body that it cannot
//! parse (I4). What to write is decided by the plan.

mod requests;
mod values;

pub use requests::{Content, DataValue, create, disown, find, find_value, read, replace};
pub use values::{Found, Owner, Rejection, SecretSpec};
pub(crate) use values::{MANAGED_BY, OWNER, PRIVATE_KEY, found, owner_annotation, owner_of};
