//! The operator of `lightsail-operator.dev`: Amazon Lightsail key pairs and known host keys as
//! Kubernetes objects.
//!
//! ```text
//!   watch ──► rows ──► queue ──► reconcile(reference)
//!                                   │
//!            ┌──────────────────────┘
//!            ▼
//!   observe (reads) ──► plan (pure) ──► act (one step) ──► … until nothing is left,
//!                                                          a wait or a refusal
//!                                                                    │
//!                                                                    ▼
//!                                                        publish (status, Event), once
//! ```
//!
//! `api` is what users write and read. `engine` is the loop, and knows no kind. `key_pair` and
//! `host_key_reset` are the kinds, with the same rooms in both: every decision is in their `plan`.
//! `lightsail` is the only place that knows the AWS SDK. `docs/architecture.md` has the invariants
//! that the code and the tests cite as I1, I2 and so on.

pub mod access;
pub mod account;
pub mod api;
pub(crate) mod api_outage;
pub mod api_server;
pub(crate) mod api_shares;
pub mod clock;
pub mod config;
pub mod crds;
pub(crate) mod data_object;
pub(crate) mod digest;
pub mod engine;
pub mod error;
pub mod export;
pub(crate) mod fair_line;
pub mod host_key_reset;
pub mod ids;
pub(crate) mod keep_entries;
pub mod key_pair;
pub(crate) mod key_text;
pub mod kube_error;
pub mod kubeconfig;
pub mod leader;
pub mod lease;
pub mod lightsail;
pub(crate) mod log_queue;
mod loopback;
pub mod metrics;
pub(crate) mod outage;
pub(crate) mod page_limit;
pub mod proxies;
pub mod readiness;
pub mod secret;
pub mod server;
pub mod ssh;
pub mod telemetry;

#[cfg(test)]
mod tests;
