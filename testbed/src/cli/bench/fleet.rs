//! The objects of a measurement: how they are made, and how it is seen that they are Ready.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::channel::mpsc::UnboundedSender;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;

use super::simulator::KEY;
use crate::cli::simulator::REGION;

/// The objects of a fleet take turns in this many namespaces.
pub(super) const NAMESPACES: usize = 10;
/// This many objects are being created at the same time.
const CREATIONS: usize = 32;
/// The longest time in which nothing more becomes Ready. At five requests a second, a large crowd
/// waits for minutes until one list shows all of it.
const PATIENCE: Duration = Duration::from_mins(15);

/// The label of what has a shard.
pub(super) const SHARD: &str = "shard";

/// Where an object is, and what it has beside its key.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The `LightsailAccount` that it uses.
    pub(super) account: Option<String>,
    /// The value of its label [`SHARD`].
    pub(super) shard: Option<usize>,
    /// `spec.interval`, in whole minutes; otherwise the default.
    pub(super) interval: Option<Duration>,
}

impl At {
    /// The objects of its namespace.
    pub(super) fn api(&self, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), &self.namespace, &resource())
    }
}

pub(super) fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", "LightsailKeyPair");
    ApiResource::from_gvk_with_plural(&kind, "lightsailkeypairs")
}

/// The kind of resets.
pub(super) fn resets() -> ApiResource {
    let kind = GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", "HostKeyReset");
    ApiResource::from_gvk_with_plural(&kind, "hostkeyresets")
}

/// Whether the object's present generation is Ready.
pub(super) fn is_ready(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    status["observedGeneration"].as_i64() == object.metadata.generation
        && conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// This many objects, spread over the namespaces, which are made if there are none.
pub(super) async fn fleet(client: &Client, count: usize) -> Result<Vec<At>> {
    for number in 0..NAMESPACES {
        create_namespace(client, &format!("fleet-{number}")).await?;
    }
    let namespace = |number| format!("fleet-{}", number % NAMESPACES);
    let name = |number| format!("pair-{number:06}");
    let at = |it| At { namespace: namespace(it), name: name(it), ..At::default() };
    Ok((0..count).map(at).collect())
}

pub(super) async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    match Api::all(client.clone()).create(&PostParams::default(), &namespace).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        outcome => outcome.map(drop).with_context(|| format!("create the namespace {name}")),
    }
}

/// Creates one object of type Imported.
pub(super) async fn create(client: &Client, at: &At) -> Result<()> {
    let mut spec = json!({"type": "Imported", "region": REGION, "imported": {"publicKey": KEY}});
    if let Some(account) = &at.account {
        spec["accountRef"] = json!({ "name": account });
    }
    if let Some(interval) = at.interval {
        spec["interval"] = json!(format!("{}m", interval.as_secs() / 60));
    }
    let mut object = DynamicObject::new(&at.name, &resource()).data(json!({"spec": spec}));
    object.metadata.labels = at.shard.map(|shard| [(SHARD.to_owned(), shard.to_string())].into());
    let created = at.api(client).create(&PostParams::default(), &object).await;
    created.map(drop).with_context(|| format!("create {at:?}"))
}

/// Creates all of them, as fast as the API server takes them, and tells of each.
pub(super) async fn create_all(
    client: &Client,
    objects: &[At],
    told: Option<UnboundedSender<At>>,
) -> Result<()> {
    let creations = objects.iter().map(|at| async {
        create(client, at).await?;
        let told = told.as_ref().map(|told| told.unbounded_send(at.clone()));
        told.transpose().context("nobody works on what was created").map(drop)
    });
    futures::stream::iter(creations).buffer_unordered(CREATIONS).try_collect().await
}

/// How long it took until all objects were seen Ready.
#[derive(Debug)]
pub(super) struct UntilReady {
    /// All of them, from the start.
    pub(super) all: Duration,
    /// Each of them, from when it was there.
    pub(super) each: Vec<Duration>,
}

/// Waits until this many objects were seen Ready. All of this began at the start.
pub(super) async fn all_ready(client: &Client, count: usize, start: Instant) -> Result<UntilReady> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource());
    let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
    let (mut events, mut seen) = (std::pin::pin!(events), HashMap::new());
    let (mut last, mut each) = (Instant::now(), Vec::new());
    while each.len() < count {
        let event = tokio::time::timeout_at((last + PATIENCE).into(), events.next()).await;
        let so_far = || format!("{} of {count} objects are Ready, and no more", each.len());
        // After an error it begins anew by itself.
        let Some(Ok(object)) = event.with_context(so_far)? else { continue };
        let now = Instant::now();
        // Until it is Ready.
        let since = seen.entry(object.metadata.uid.clone()).or_insert(Some(now));
        if is_ready(&object)
            && let Some(since) = since.take()
        {
            each.push(now - since);
            last = now;
        }
    }
    Ok(UntilReady { all: last - start, each })
}

/// Creates all of them and waits until they are Ready.
pub(super) async fn create_until_ready(client: &Client, objects: &[At]) -> Result<UntilReady> {
    let ready = all_ready(client, objects.len(), Instant::now());
    let ((), ready) = futures::try_join!(create_all(client, objects, None), ready)?;
    Ok(ready)
}
