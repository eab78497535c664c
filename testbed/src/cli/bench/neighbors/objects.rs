//! Objects of the two kinds: made by the hundred, changed, and taken away.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cli::bench::bed::{SELDOM, poll};
use crate::cli::bench::fleet::{resets, resource};

/// The annotation that asks for a reconciliation.
pub(super) const RECONCILE: &str = "lightsail-operator.dev/reconcile";
/// This many requests at the same time.
const AT_ONCE: usize = 32;
/// Objects may be large.
const PAGE: u32 = 50;
/// How long objects may take to go.
const GOING: Duration = Duration::from_mins(3);

/// An object that is to be.
pub(super) struct Object {
    pub(super) name: String,
    pub(super) spec: Value,
    /// The value of [`RECONCILE`].
    pub(super) annotation: Option<String>,
}

/// Creates one.
pub(super) async fn create(
    client: &Client,
    kind: &ApiResource,
    namespace: &str,
    object: Object,
) -> Result<()> {
    let Object { name, spec, annotation } = object;
    let mut object = DynamicObject::new(&name, kind).data(json!({"spec": spec}));
    object.metadata.annotations =
        annotation.map(|value| [(RECONCILE.to_owned(), value)].into_iter().collect());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
    let created = api.create(&PostParams::default(), &object).await;
    created.map(drop).with_context(|| format!("create {name}"))
}

/// Creates all of them.
pub(super) async fn create_all(
    client: &Client,
    kind: &ApiResource,
    namespace: &str,
    objects: impl IntoIterator<Item = Object>,
) -> Result<()> {
    let creations = objects.into_iter().map(|object| create(client, kind, namespace, object));
    futures::stream::iter(creations).buffer_unordered(AT_ONCE).try_collect().await
}

/// Changes all of these key pairs once.
pub(super) async fn patch_all(
    api: &Api<DynamicObject>,
    names: &[String],
    change: &Value,
) -> Result<()> {
    let (parameters, change) = (PatchParams::default(), Patch::Merge(change));
    let patches = names.iter().map(|name| api.patch(name, &parameters, &change));
    let patches = futures::stream::iter(patches).buffer_unordered(AT_ONCE);
    patches.try_for_each(async |_| Ok(())).await.context("change an object")
}

/// Deletes everything in a namespace and waits until it is gone.
pub(super) async fn delete_all(client: &Client, namespace: &str) -> Result<()> {
    for kind in [resource(), resets()] {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let all = ListParams::default();
        api.delete_collection(&DeleteParams::default(), &all).await.context("delete all")?;
        // Bodies are of no interest, and may be large.
        let one = ListParams::default().limit(1);
        let gone = poll(SELDOM, async || {
            Ok(api.list_metadata(&one).await?.items.is_empty().then_some(()))
        });
        tokio::time::timeout(GOING, gone)
            .await
            .with_context(|| format!("{} are not gone after {GOING:?}", kind.plural))??;
    }
    Ok(())
}

/// How many objects of a namespace have which reason in their condition Ready.
pub(super) async fn reasons(client: &Client, namespace: &str) -> Result<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for kind in [resource(), resets()] {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = api.list(&page).await.context("list the hostile objects")?;
            for object in &list.items {
                *counts.entry(reason(&object.data).to_owned()).or_default() += 1;
            }
            match list.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => break,
            }
        }
    }
    let counts = counts.iter().map(|(reason, count)| format!("{count} {reason}"));
    let counts: Vec<_> = counts.collect();
    Ok(if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })
}

fn reason(data: &Value) -> &str {
    let conditions = data["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|it| it["type"] == "Ready");
    ready.and_then(|ready| ready["reason"].as_str()).unwrap_or("without a condition")
}
