//! What others do in the middle of a scenario: to key pairs, Secrets and objects, and to the
//! operator's process.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};
use testbed::dice::Dice;

use super::scenario::Act;
use super::stage::{CLUSTER_ID, DEFAULT_KEY_PAIR, LEASE_DURATION, OWNER_TAG, Stage, split};

/// One thing that somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// To a key pair.
    Pair(OfPair),
    /// To a Secret.
    Secret(OfSecret),
    /// To an object.
    Object(OfObject),
    DeleteNamespace,
    PauseOperator,
    KillOperator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfPair {
    Delete,
    ReplaceWithSameKey,
    ReplaceWithOtherKey,
    TakeTagsOff,
    TagForOtherOwner,
    TagForThisOwner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfSecret {
    Delete,
    Replace,
    SwapKey,
    Empty,
    MakeImmutable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfObject {
    StripFinalizers,
    StripAnnotations,
    ClearStatus,
    RestoreStatus,
    Delete,
    DeleteAndCreate,
    Copy,
}

pub(super) const DEEDS: [Deed; 21] = [
    Deed::Pair(OfPair::Delete),
    Deed::Pair(OfPair::ReplaceWithSameKey),
    Deed::Pair(OfPair::ReplaceWithOtherKey),
    Deed::Pair(OfPair::TakeTagsOff),
    Deed::Pair(OfPair::TagForOtherOwner),
    Deed::Pair(OfPair::TagForThisOwner),
    Deed::Secret(OfSecret::Delete),
    Deed::Secret(OfSecret::Replace),
    Deed::Secret(OfSecret::SwapKey),
    Deed::Secret(OfSecret::Empty),
    Deed::Secret(OfSecret::MakeImmutable),
    Deed::Object(OfObject::StripFinalizers),
    Deed::Object(OfObject::StripAnnotations),
    Deed::Object(OfObject::ClearStatus),
    Deed::Object(OfObject::RestoreStatus),
    Deed::Object(OfObject::Delete),
    Deed::Object(OfObject::DeleteAndCreate),
    Deed::Object(OfObject::Copy),
    Deed::DeleteNamespace,
    Deed::PauseOperator,
    Deed::KillOperator,
];

impl Deed {
    /// Whether it removes what identifies the operator's pair, or what protects the object.
    pub(super) fn is_force(self) -> bool {
        matches!(
            self,
            Self::Object(
                OfObject::StripFinalizers | OfObject::ClearStatus | OfObject::RestoreStatus
            ) | Self::DeleteNamespace
        )
    }

    /// Whether there is one more object afterwards that may be carried out, or one that has lost
    /// its record of that.
    pub(super) fn adds_reset(self) -> bool {
        matches!(
            self,
            Self::Object(OfObject::DeleteAndCreate | OfObject::Copy | OfObject::StripAnnotations)
        )
    }

    /// Does it, to something that is there. Where nothing is, nothing happens.
    pub(super) async fn perform(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
        // Somebody else may have been faster: what is gone, or newer, is left as it is.
        let outcome = match self {
            Self::Pair(deed) => {
                deed.perform(stage, dice);
                Ok(())
            }
            Self::Secret(deed) => deed.perform(stage, dice).await,
            Self::Object(deed) => deed.perform(stage, dice).await,
            Self::DeleteNamespace => {
                let namespaces: Api<Namespace> = Api::all(stage.client());
                let deleted = namespaces.delete(&stage.namespace, &DeleteParams::default()).await;
                deleted.map(drop).context("delete the namespace")
            }
            Self::PauseOperator => {
                stage.signal(Signal::STOP).await?;
                tokio::time::sleep(LEASE_DURATION + LEASE_DURATION / 3).await;
                stage.signal(Signal::CONT).await
            }
            Self::KillOperator => {
                stage.kill().await;
                Ok(())
            }
        };
        outcome.or_else(|error| if is_refused(&error) { Ok(()) } else { Err(error) })
    }
}

impl OfPair {
    fn perform(self, stage: &Stage, dice: &mut Dice) {
        let Some(pair) = dice.pick(&stage.region.key_pairs()) else { return };
        let replace = |line: &str| {
            stage.region.delete_key_pair(&pair.name);
            if pair.name == DEFAULT_KEY_PAIR {
                stage.region.create_default_key_pair();
            } else {
                stage.region.import_key_pair(&pair.name, line);
            }
        };
        let own = format!("{CLUSTER_ID}/{}/{}", stage.namespace, pair.name);
        match self {
            Self::Delete => drop(stage.region.delete_key_pair(&pair.name)),
            Self::ReplaceWithSameKey => replace(&pair.public_key),
            Self::ReplaceWithOtherKey => replace(&stage.keys()["C"].public),
            Self::TakeTagsOff => stage.region.set_tags(&pair.name, &[]),
            Self::TagForOtherOwner => {
                stage.region.set_tags(&pair.name, &[(OWNER_TAG, Some("other/team/fleet"))]);
            }
            Self::TagForThisOwner => {
                stage.region.set_tags(&pair.name, &[(OWNER_TAG, Some(&own))]);
            }
        }
    }
}

impl OfSecret {
    async fn perform(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
        let names: Vec<_> = stage.all_secrets().await?.into_keys().collect();
        let Some(name) = dice.pick(&names) else { return Ok(()) };
        let data = |key: &str| [("ssh-privatekey".to_owned(), key.to_owned())].into();
        let delete = Act::Delete(format!("Secret/{name}"));
        match self {
            Self::Delete => stage.act(&delete).await,
            Self::Replace => {
                stage.act(&delete).await?;
                stage.act(&Act::Secret { name, data: data("$C.private") }).await
            }
            Self::SwapKey => stage.act(&Act::PatchSecret { name, data: data("$C.private") }).await,
            Self::Empty => stage.act(&Act::PatchSecret { name, data: data("") }).await,
            Self::MakeImmutable => {
                let change = Patch::Merge(json!({ "immutable": true }));
                stage.secrets().patch(&name, &PatchParams::default(), &change).await?;
                Ok(())
            }
        }
    }
}

impl OfObject {
    async fn perform(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
        let objects: Vec<_> = stage.all_objects().await?.into_iter().collect();
        let Some((at, object)) = dice.pick(&objects) else { return Ok(()) };
        let (kind, name) = split(&at)?;
        let api = stage.objects(kind);
        let patch = async |change: Value| {
            api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)
        };
        match self {
            Self::StripFinalizers => patch(json!({ "metadata": { "finalizers": null } })).await?,
            Self::StripAnnotations => patch(json!({ "metadata": { "annotations": null } })).await?,
            Self::ClearStatus => {
                restore_status(&api, name, json!({ "observedGeneration": -1 })).await?;
            }
            Self::RestoreStatus => {
                restore_status(&api, name, object["status"].clone()).await?;
                // What a status says that somebody else wrote is corrected when the object is
                // reconciled next, which is after its interval otherwise.
                stage.act(&Act::Reconcile(at.clone())).await?;
            }
            Self::Delete => stage.act(&Act::Delete(at.clone())).await?,
            Self::DeleteAndCreate => {
                stage.act(&Act::Delete(at.clone())).await?;
                stage.add_later(at.clone(), object["spec"].clone());
            }
            Self::Copy => {
                let mut spec = object["spec"].clone();
                if kind == "LightsailKeyPair" && spec["type"] != "Default" {
                    spec["keyPairName"] = json!(spec["keyPairName"].as_str().unwrap_or(name));
                }
                let metadata = json!({ "annotations": object["metadata"]["annotations"] });
                let object = format!("{kind}/{name}-copy");
                stage.act(&Act::Create { object, spec, metadata }).await?;
            }
        }
        Ok(())
    }
}

/// Writes a status as a tool that restores a backup does it.
async fn restore_status(api: &Api<DynamicObject>, name: &str, status: Value) -> Result<()> {
    let mut object = api.get(name).await?;
    object.data["status"] = status;
    let by = PostParams { field_manager: Some("backup-tool".to_owned()), ..PostParams::default() };
    api.replace_status(name, &by, &object).await?;
    Ok(())
}

/// Whether the API server refused it, for what has changed meanwhile.
pub(super) fn is_refused(error: &anyhow::Error) -> bool {
    let status = error.chain().find_map(|cause| match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    });
    status.is_some_and(|status| [403, 404, 409, 422].contains(&status))
}

/// Creates what was to be created once its name is free. Whether that is over.
pub(super) async fn create_later(stage: &Stage, at: &str, spec: &Value) -> Result<bool> {
    let (kind, name) = split(at)?;
    if stage.objects(kind).get_opt(name).await?.is_some() {
        return Ok(false);
    }
    let create = Act::Create { object: at.to_owned(), spec: spec.clone(), metadata: Value::Null };
    match stage.act(&create).await {
        Err(error) if !is_refused(&error) => Err(error).context("create an object again"),
        Ok(()) | Err(_) => Ok(true),
    }
}
