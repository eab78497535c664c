//! What others do in the middle of a scenario: to key pairs, Secrets and objects, and to the
//! operator's process.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::dice::Dice;
use super::scenario::Act;
use super::stage::{LEASE_DURATION, Stage, split};

/// One thing that somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    DeletePair,
    ReplacePairWithSameKey,
    ReplacePairWithOtherKey,
    TakeTagsOff,
    TagForOtherOwner,
    TagForThisOwner,
    DeleteSecret,
    ReplaceSecret,
    SwapKey,
    EmptySecret,
    MakeSecretImmutable,
    StripFinalizers,
    StripAnnotations,
    ClearStatus,
    RestoreStatus,
    DeleteObject,
    DeleteAndCreateObject,
    CopyObject,
    DeleteNamespace,
    PauseOperator,
    KillOperator,
}

pub(super) const DEEDS: [Deed; 21] = [
    Deed::DeletePair,
    Deed::ReplacePairWithSameKey,
    Deed::ReplacePairWithOtherKey,
    Deed::TakeTagsOff,
    Deed::TagForOtherOwner,
    Deed::TagForThisOwner,
    Deed::DeleteSecret,
    Deed::ReplaceSecret,
    Deed::SwapKey,
    Deed::EmptySecret,
    Deed::MakeSecretImmutable,
    Deed::StripFinalizers,
    Deed::StripAnnotations,
    Deed::ClearStatus,
    Deed::RestoreStatus,
    Deed::DeleteObject,
    Deed::DeleteAndCreateObject,
    Deed::CopyObject,
    Deed::DeleteNamespace,
    Deed::PauseOperator,
    Deed::KillOperator,
];

impl Deed {
    /// Whether it takes away what the operator needs to know a pair again, by force.
    pub(super) fn is_force(self) -> bool {
        matches!(
            self,
            Self::StripFinalizers | Self::StripAnnotations | Self::ClearStatus
                | Self::RestoreStatus | Self::DeleteNamespace
        )
    }

    /// Whether there is one more object afterwards, which may do what the first one does.
    pub(super) fn adds_object(self) -> bool {
        matches!(
            self,
            Self::DeleteAndCreateObject | Self::CopyObject | Self::StripAnnotations
                | Self::ClearStatus | Self::RestoreStatus
        )
    }

    /// Does it, to something that is there. Where nothing is, nothing happens.
    pub(super) async fn perform(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
        match self {
            Self::PauseOperator => {
                stage.signal(Signal::STOP).await?;
                tokio::time::sleep(LEASE_DURATION + LEASE_DURATION / 3).await;
                return stage.signal(Signal::CONT).await;
            }
            Self::KillOperator => {
                stage.kill().await;
                return Ok(());
            }
            Self::DeleteNamespace => {
                let namespaces: Api<Namespace> = Api::all(stage.client());
                namespaces.delete(&stage.namespace, &DeleteParams::default()).await?;
                return Ok(());
            }
            _ => {}
        }
        if self.is_of_pairs() {
            self.perform_on_pair(stage, dice);
            return Ok(());
        }
        // Somebody else may have been faster: what is gone, or newer, is left as it is.
        let attempt = if self.is_of_secrets() {
            self.perform_on_secret(stage, dice).await
        } else {
            self.perform_on_object(stage, dice).await
        };
        match attempt {
            Err(error) if is_refused(&error) => Ok(()),
            outcome => outcome,
        }
    }

    fn is_of_pairs(self) -> bool {
        matches!(
            self,
            Self::DeletePair | Self::ReplacePairWithSameKey | Self::ReplacePairWithOtherKey
                | Self::TakeTagsOff | Self::TagForOtherOwner | Self::TagForThisOwner
        )
    }

    fn is_of_secrets(self) -> bool {
        matches!(
            self,
            Self::DeleteSecret | Self::ReplaceSecret | Self::SwapKey | Self::EmptySecret
                | Self::MakeSecretImmutable
        )
    }

    fn perform_on_pair(self, stage: &Stage, dice: &mut Dice) {
        let Some(pair) = dice.pick(&stage.region.key_pairs()) else { return };
        let is_default = pair.name == "LightsailDefaultKeyPair";
        let owner = "lightsail-operator.dev/owner";
        let own = format!("explored/{}/{}", stage.namespace, pair.name);
        match self {
            Self::TakeTagsOff => stage.region.set_tags(&pair.name, &[]),
            Self::TagForOtherOwner => {
                stage.region.set_tags(&pair.name, &[(owner, Some("other/team/fleet"))]);
            }
            Self::TagForThisOwner => stage.region.set_tags(&pair.name, &[(owner, Some(&own))]),
            _ => {
                stage.region.delete_key_pair(&pair.name);
                if self == Self::DeletePair {
                } else if is_default {
                    stage.region.create_default_key_pair();
                } else if self == Self::ReplacePairWithSameKey {
                    stage.region.import_key_pair(&pair.name, &pair.public_key);
                } else {
                    let key = if dice.roll(2) == 0 { "A" } else { "B" };
                    stage.region.import_key_pair(&pair.name, &stage.keys()[key].public);
                }
            }
        }
    }

    async fn perform_on_secret(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
        let names: Vec<_> = stage.all_secrets().await?.into_keys().collect();
        let Some(name) = dice.pick(&names) else { return Ok(()) };
        let data = |key: &str| [("ssh-privatekey".to_owned(), key.to_owned())].into();
        match self {
            Self::MakeSecretImmutable => {
                let change = Patch::Merge(json!({ "immutable": true }));
                stage.secrets().patch(&name, &PatchParams::default(), &change).await?;
                Ok(())
            }
            Self::SwapKey => stage.act(&Act::PatchSecret { name, data: data("$B.private") }).await,
            Self::EmptySecret => stage.act(&Act::PatchSecret { name, data: data("") }).await,
            _ => {
                stage.act(&Act::Delete(format!("Secret/{name}"))).await?;
                if self == Self::ReplaceSecret {
                    stage.act(&Act::Secret { name, data: data("$B.private") }).await?;
                }
                Ok(())
            }
        }
    }

    async fn perform_on_object(self, stage: &Stage, dice: &mut Dice) -> Result<()> {
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
            Self::ClearStatus | Self::RestoreStatus => {
                // As a tool that restores a backup does it: the status before, or none.
                let mut status = json!({ "observedGeneration": -1 });
                if self == Self::RestoreStatus {
                    status = object["status"].clone();
                }
                let restored = api.get(name).await?;
                let mut restored = serde_json::to_value(restored)?;
                restored["status"] = status;
                let by = PostParams {
                    field_manager: Some("backup-tool".to_owned()),
                    ..PostParams::default()
                };
                api.replace_status(name, &by, &serde_json::from_value(restored)?).await?;
            }
            Self::CopyObject => {
                let mut spec = object["spec"].clone();
                if kind == "LightsailKeyPair" && spec["type"] != "Default" {
                    let pair = spec["keyPairName"].as_str().unwrap_or(name).to_owned();
                    spec["keyPairName"] = json!(pair);
                }
                let copy = Act::Create {
                    object: format!("{kind}/{name}-copy"),
                    spec,
                    metadata: json!({ "annotations": object["metadata"]["annotations"] }),
                };
                stage.act(&copy).await?;
            }
            _ => {
                stage.act(&Act::Delete(at.clone())).await?;
                if self == Self::DeleteAndCreateObject {
                    stage.add_later(at.clone(), object["spec"].clone());
                }
            }
        }
        Ok(())
    }
}

/// Whether the API server refused it, for what has changed meanwhile.
fn is_refused(error: &anyhow::Error) -> bool {
    let status = error.chain().find_map(|cause| match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    });
    status.is_some_and(|status| [403, 404, 409, 422].contains(&status))
}

/// Creates what was to be created once its name is free.
pub(super) async fn create_later(stage: &Stage, at: &str, spec: &Value) -> Result<bool> {
    let (kind, name) = split(at)?;
    if stage.objects(kind).get_opt(name).await?.is_some() {
        return Ok(false);
    }
    let create = Act::Create { object: at.to_owned(), spec: spec.clone(), metadata: Value::Null };
    match stage.act(&create).await {
        Err(error) if !is_refused(&error) => Err(error).context("create an object anew"),
        _ => Ok(true),
    }
}
