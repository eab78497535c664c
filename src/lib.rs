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
//! `api` is what users write and read. `controllers` holds the loop and, in each `plan`, every
//! decision. `lightsail` is the only place that knows the AWS SDK. `docs/architecture.md` has the
//! invariants I1 to I11 that the code and the tests cite.

pub mod api;
pub mod config;
pub mod controllers;
pub mod crds;
pub mod error;
pub mod leader;
pub mod lightsail;
pub mod metrics;
pub mod secret;
pub mod server;
pub mod ssh;
pub mod telemetry;
