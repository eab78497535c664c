//! Who may use which credentials, and for what: the `LightsailAccount`s of the cluster, and what
//! they allow.

pub mod directory;
mod keys;
pub mod limits;
pub mod permission;
pub mod selector;

pub use directory::{Directory, Entry, Grant, News, Settings};
pub use limits::Limits;

#[cfg(test)]
pub(crate) mod tests;
