//! The operator's binary on a real API server, against the simulated Lightsail.
//!
//! Run by `make test`, below `testbed run`. Each test has its own namespace, its own Lightsail and
//! its own operator, which runs as the ServiceAccount of the chart (`deploy/base`) with all logs at
//! TRACE; all of them share one control plane.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod account_schema;
mod accounts;
mod api_server;
mod argocd;
mod attacks;
mod bed;
mod clocks;
mod credential_faults;
mod credential_servers;
mod credentials;
mod default_pair;
mod docs;
mod errors_of_lightsail;
mod explain;
mod export;
mod finished_resets;
mod fleet;
mod flux;
mod generated;
mod gitops;
mod helm_wait;
mod how_to;
mod iam;
#[path = "../support/iam_files.rs"]
mod iam_files;
mod image;
mod interrupted_resets;
mod kept_secrets;
mod key_pairs;
mod key_schema;
mod leader;
mod lists;
#[path = "../support/markdown.rs"]
mod markdown;
mod neighbors;
mod network_servers;
mod networks;
mod old_reads;
mod pages;
mod policies;
mod private_keys;
mod process;
mod public_keys;
mod reset_life;
mod reset_schema;
mod resets;
mod rights;
mod schema;
mod shards;
mod switches;
mod transitions;
mod unreadable;
mod upgrade;
mod vanished;
mod ways_out;
mod webhooks;
