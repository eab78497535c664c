//! What an attack has at hand.

use std::cell::RefCell;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::objects::{Object, create_all};
use super::probes::lock;
use super::replicas::Replicas;
use crate::cli::bench::bed::{Bed, SELDOM, poll};
use crate::cli::bench::fleet::{At, is_ready, resets, resource};
use crate::cli::simulator::{ACCOUNT, REGION};

/// The namespace from which attacks come.
pub(super) const HOSTILE: &str = "hostile";

/// Control plane, simulator and replicas, as an attack uses them.
pub(super) struct Ground<'a> {
    pub(super) bed: &'a Bed,
    pub(super) replicas: &'a Replicas,
    /// What the attack has to say about itself.
    pub(super) notes: RefCell<Vec<String>>,
}

impl Ground<'_> {
    pub(super) fn client(&self) -> &Client {
        &self.bed.client
    }

    pub(super) fn note(&self, note: String) {
        self.notes.borrow_mut().push(note);
    }

    /// The hostile namespace's key pairs.
    pub(super) fn pairs(&self) -> Api<DynamicObject> {
        let at = At { namespace: HOSTILE.to_owned(), name: String::new(), ..At::default() };
        at.api(self.client())
    }

    /// Creates hostile key pairs.
    pub(super) async fn create_pairs(
        &self,
        objects: impl IntoIterator<Item = Object>,
    ) -> Result<()> {
        create_all(self.client(), &resource(), HOSTILE, objects).await
    }

    /// Creates hostile resets.
    pub(super) async fn create_resets(
        &self,
        objects: impl IntoIterator<Item = Object>,
    ) -> Result<()> {
        create_all(self.client(), &resets(), HOSTILE, objects).await
    }

    /// Waits until a hostile key pair is Ready.
    pub(super) async fn wait_until_ready(&self, name: &str) -> Result<()> {
        let api = self.pairs();
        let ready = poll(SELDOM, async || Ok(is_ready(&api.get(name).await?).then_some(())));
        ready.await.with_context(|| format!("{name} is Ready"))
    }

    /// Where the replica serves that led at the start.
    pub(super) fn leader(&self) -> Result<SocketAddr> {
        lock(&self.replicas.addresses).first().copied().flatten().context("no leader runs")
    }

    /// A request to the simulator's admin API.
    pub(super) async fn admin(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        let body = (!body.is_null()).then_some(body);
        self.bed.simulator.admin(method, path, body).await
    }

    /// The same about the account's resources in the region.
    pub(super) async fn at_region(&self, method: &str, rest: &str, body: Value) -> Result<Value> {
        self.admin(method, &format!("/regions/{ACCOUNT}/{REGION}/{rest}"), body).await
    }

    /// Changes switches everywhere.
    pub(super) async fn switch(&self, switches: Value) -> Result<()> {
        self.admin("PATCH", "/switches", switches).await.map(drop)
    }

    /// Lets requests in a region go wrong.
    pub(super) async fn add_fault(
        &self,
        operation: &str,
        effect: Value,
        probability: f64,
        region: &str,
    ) -> Result<()> {
        let fault = json!({
            "operation": operation, "effect": effect, "probability": probability, "seed": 1,
            "account": ACCOUNT, "region": region,
        });
        self.admin("POST", "/faults", fault).await.map(drop)
    }

    /// Takes all faults away.
    pub(super) async fn remove_faults(&self) -> Result<()> {
        let faults = self.admin("GET", "/faults", Value::Null).await?;
        for fault in faults.as_array().into_iter().flatten() {
            self.admin("DELETE", &format!("/faults/{}", fault["id"]), Value::Null).await?;
        }
        Ok(())
    }
}
