//! What all kinds run on. It names none of them.
//!
//! A watch keeps the rows up to date. A change that needs a reconciliation puts a reference into
//! the queue. The loop takes it from there, and the kind's [`Controller`] reconciles the object.
//! Reconciliations run inside the loop's own future and are never spawned, so they end with it.

pub mod account_rule;
pub mod action;
mod claimants;
pub mod concurrency;
pub mod context;
mod discovery;
pub mod event_limits;
mod gitops_labels;
mod key_maker;
mod lane;
pub mod last_found;
pub mod lookup;
pub mod message;
pub mod object_ref;
pub(crate) mod objects;
mod polling;
pub mod queue;
mod relist;
mod row;
pub mod rows;
mod run;
pub(crate) mod served;
mod shown;
pub mod tables;
pub mod trigger;
pub mod uid;
mod unreadable;
pub mod verdict;
mod watch;
mod watch_client;
pub(crate) mod written;

pub use action::{Action, Outcome};
pub use context::{Context, Settings};
pub use gitops_labels::tracked_by;
pub use key_maker::KeyMaker;
pub use lookup::Lookup;
pub use object_ref::ObjectRef;
pub use polling::next_poll;
pub use run::{Controller, MAX_STEPS, ignore_unless_final, run, run_in_span, verdict_if_lasting};
pub use verdict::{State, Verdict};

#[cfg(test)]
pub(crate) mod tests;
