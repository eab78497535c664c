//! `lightsail-operator export`: reads the key pairs that exist in Lightsail, matches them with keys
//! that the user has, and writes manifests for them.
//!
//! ```text
//! sources (files, Terraform, Secrets) ──► keys ──┐
//!                                                ├──► matching ──► manifest, table or JSON
//! Lightsail (regions, key pairs, instances) ─────┘      pure              pure
//! ```
//!
//! It only reads: no Lease is held, so no call that changes anything can be sent. Whatever was read
//! is untrusted, and `text.rs` says how it may be written. Nothing of a private key leaves
//! `sources` but its public half and its fingerprints (I4).

mod age;
mod cluster;
mod exported;
mod json;
mod keys;
mod manifest;
mod matching;
mod names;
mod read;
mod report;
mod run;
mod sources;
mod table;
mod text;
mod withheld;

pub use run::run;

#[cfg(test)]
mod samples;
