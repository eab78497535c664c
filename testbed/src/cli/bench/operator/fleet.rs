//! The objects of a measurement: how they are made, and how it is seen that they are Ready.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, PostParams};
use kube::core::{GroupVersionKind, NotUsed, Object};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::json;
use testbed::operator::Operator;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::bed::bounded;
use crate::cli::bench::simulator::KEY;
use crate::cli::simulator::REGION;

/// The objects of a fleet take turns in so many namespaces.
pub(super) const NAMESPACES: usize = 10;
/// So many objects are being created at the same time.
const CREATIONS: usize = 32;
/// The longest time in which nothing more becomes Ready: far longer than a limit of five requests a
/// second asks for.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where an object is.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// The part of a status that says whether something was done.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(default)]
    pub(super) observed_generation: i64,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// An object as it is read here. The spec is of no interest.
pub(super) type KeyPair = Object<NotUsed, Status>;

pub(super) fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", "LightsailKeyPair");
    ApiResource::from_gvk_with_plural(&kind, "lightsailkeypairs")
}

/// Whether the object's present generation is Ready.
pub(super) fn is_ready(object: &KeyPair) -> bool {
    object.status.as_ref().is_some_and(|status| {
        let ready = status.conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True");
        ready && Some(status.observed_generation) == object.metadata.generation
    })
}

/// So many objects, spread over the namespaces.
pub(super) fn fleet(count: usize) -> Vec<At> {
    let at = |number| At {
        namespace: format!("fleet-{}", number % NAMESPACES),
        name: format!("pair-{number:06}"),
    };
    (0..count).map(at).collect()
}

/// So many objects in one namespace.
pub(super) fn crowd(namespace: &str, count: usize) -> Vec<At> {
    let at =
        |number| At { namespace: namespace.to_owned(), name: format!("{namespace}-{number:06}") };
    (0..count).map(at).collect()
}

/// Makes the namespaces of the objects.
pub(super) async fn create_namespaces(client: &Client, objects: &[At]) -> Result<()> {
    let names: HashSet<&str> = objects.iter().map(|at| at.namespace.as_str()).collect();
    for name in names {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let created = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
        created.with_context(|| format!("create the namespace {name}"))?;
    }
    Ok(())
}

/// Creates one object of type Imported.
pub(super) async fn create(client: &Client, at: &At) -> Result<()> {
    let resource = resource();
    let object = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": at.name, "namespace": at.namespace},
        "spec": {"type": "Imported", "region": REGION, "imported": {"publicKey": KEY}},
    });
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &at.namespace, &resource);
    let (parameters, object) = (PostParams::default(), serde_json::from_value(object)?);
    bounded(&format!("create {}/{}", at.namespace, at.name), api.create(&parameters, &object))
        .await?;
    Ok(())
}

/// Creates all of them, as fast as the API server takes them, and tells of each.
pub(super) async fn create_all(
    client: &Client,
    objects: &[At],
    tell: Option<mpsc::UnboundedSender<At>>,
) -> Result<()> {
    let creations = objects.iter().map(|at| async {
        create(client, at).await?;
        if let Some(tell) = &tell {
            tell.send(at.clone()).context("nobody works on what was created")?;
        }
        anyhow::Ok(())
    });
    futures::stream::iter(creations).buffer_unordered(CREATIONS).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// How many objects were seen Ready, and when that was the last of them.
#[derive(Clone, Copy, Debug)]
struct Seen {
    count: usize,
    at: Instant,
}

/// A watch of all objects that counts those that are Ready, each once.
#[derive(Debug)]
pub(super) struct Watch {
    seen: watch::Receiver<Seen>,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// Begins to watch; what is created from now on is seen.
    pub(super) async fn start(client: &Client) -> Result<Self> {
        let (sender, seen) = watch::channel(Seen { count: 0, at: Instant::now() });
        let (started, is_started) = tokio::sync::oneshot::channel();
        let api: Api<KeyPair> = Api::all_with(client.clone(), &resource());
        let task = tokio::spawn(count(api, sender, started));
        let watch = Self { seen, _task: AbortOnDropHandle::new(task) };
        let started = tokio::time::timeout(PATIENCE, is_started).await;
        started
            .context("the objects are not listed in time")?
            .context("the watch of the objects has ended")?;
        Ok(watch)
    }

    /// Waits until so many were Ready, and says when that was. Whoever makes them Ready must not
    /// end meanwhile.
    pub(super) async fn wait(
        &mut self,
        count: usize,
        mut operator: Option<&mut Operator>,
    ) -> Result<Instant> {
        loop {
            let now = *self.seen.borrow_and_update();
            if now.count >= count {
                return Ok(now.at);
            }
            if let Some(status) = operator.as_mut().map(|it| it.has_ended()).transpose()?.flatten()
            {
                bail!("the operator has ended ({status})");
            }
            if now.at.elapsed() > PATIENCE {
                bail!(
                    "{} of {count} objects are Ready, and none more became so within {PATIENCE:?}",
                    now.count
                );
            }
            // The time limit is for the two looks above.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.seen.changed()).await;
        }
    }
}

async fn count(
    api: Api<KeyPair>,
    sender: watch::Sender<Seen>,
    started: tokio::sync::oneshot::Sender<()>,
) {
    let mut ready = HashSet::new();
    let mut started = Some(started);
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) if is_ready(&object) => {
                let ObjectMeta { namespace, name, .. } = object.metadata;
                if ready.insert((namespace, name)) {
                    sender.send_replace(Seen { count: ready.len(), at: Instant::now() });
                }
            }
            Ok(Event::InitDone) => drop(started.take().map(|started| started.send(()))),
            // It begins anew by itself.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Ok(_) => {}
        }
    }
}
