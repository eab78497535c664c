//! lightsail-operator
#![allow(missing_docs, reason = "in work")]
pub mod api;
pub mod crds;
pub mod ssh;
