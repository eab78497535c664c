//! The admin API of a simulator that runs alone: what the Rust handles can do, over HTTP below
//! `/_simulator`.
//!
//! It is not signed: it is for whoever can reach loopback. Bodies and answers are JSON. An error is
//! a status and a sentence in `error`. Requests here are not in the request log, meet no faults and
//! are not throttled. `testbed/README.md` lists them.

mod accounts;
mod control;
mod reply;
mod resources;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::shared::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/state", get(control::state))
        .route("/requests", get(control::requests))
        .route("/counts", get(control::counts))
        .route("/switches", get(control::switches).patch(control::change_switches))
        .route("/clock", get(control::clock).put(control::set_clock))
        .route("/clock/advance", post(control::advance_clock))
        .route("/faults", get(control::faults).post(control::add_fault))
        .route("/faults/{id}", delete(control::remove_fault))
        .route("/faults/{id}/release", post(control::release_fault))
        .route("/accounts/{account}/credentials", post(accounts::add_credentials))
        .route(
            "/accounts/{account}/policy",
            put(accounts::set_policy).delete(accounts::remove_policy),
        )
        .route("/accounts/{account}/roles/{role}", put(accounts::set_role))
        .route("/accounts/{account}/roles/{role}/pod-sessions", post(accounts::add_pod_session))
        .route(
            "/regions/{account}/{region}/switches",
            get(resources::switches)
                .patch(resources::change_switches)
                .delete(resources::remove_switches),
        )
        .route("/regions/{account}/{region}/instances", post(resources::launch))
        .route("/regions/{account}/{region}/instances/{name}", delete(resources::remove_instance))
        .route(
            "/regions/{account}/{region}/instances/{name}/browser",
            post(resources::connect_browser),
        )
        .route("/regions/{account}/{region}/key-pairs", post(resources::import_key_pair))
        .route("/regions/{account}/{region}/key-pairs/{name}", delete(resources::delete_key_pair))
        .route(
            "/regions/{account}/{region}/default-key-pair",
            post(resources::create_default_key_pair),
        )
        .route("/regions/{account}/{region}/tags/{name}", put(resources::set_tags))
}
