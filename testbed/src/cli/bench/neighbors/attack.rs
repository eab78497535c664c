//! The attacks: what one namespace can do to harm the others.
//!
//! To add one, add a variant with a sentence, which is also its help, and say in `attack` what it
//! does. Only if it needs circumstances that the control must have too, or that must end before its
//! objects can be deleted, it has a line in `prepare` or `relent`.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use ssh_key::PublicKey;
use ssh_key::public::Ed25519PublicKey;

use super::connections::half_requests;
use super::ground::{Ground, HOSTILE};
use super::objects::{Object, RECONCILE, patch_all};
use super::set_aside::occupy_set_aside_name;
use crate::cli::bench::simulator::KEY;
use crate::cli::simulator::REGION;

/// How long an attack that goes on goes on.
const WHILE: Duration = Duration::from_secs(20);
/// Nearly as much as Kubernetes lets all annotations of an object have.
const LARGE: usize = 240_000;

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Attack {
    /// 40 Generated key pairs with RSA4096
    Rsa,
    /// 1000 key pairs in 1000 invented regions, which all answer
    RegionsAnswer,
    /// 1000 key pairs in 1000 invented regions, of which none answers
    RegionsHang,
    /// 300 key pairs with a reconcile annotation of 240 kB
    Annotations,
    /// 300 key pairs with a reconcile annotation of 240 kB, and all replicas are restarted
    AnnotationsRestart,
    /// The reconcile annotation of 50 key pairs is changed 10 times a second
    AnnotationChanges,
    /// 5000 connections to the leader's port for probes that send half a request
    Connections,
    /// 300 resets that wait for one instance, with 5 requests a second
    Resets,
    /// 300 key pairs at the same time, while a fifth of all requests is throttled at random
    Refusals,
    /// A Secret has the name of the copy of a replaced default key pair
    SetAside,
    /// The tags of 200 key pairs are changed again and again
    Tags,
    /// 1000 key pairs that fail: no source, or another key in Lightsail
    Failing,
    /// 50 key pairs with a ConfigMap of 30000 keys are changed again and again
    Sources,
}

impl Attack {
    /// What is so for the control too.
    pub(super) async fn prepare(self, ground: &Ground<'_>) -> Result<()> {
        match self {
            Self::RegionsAnswer => ground.switch(json!({"knownRegionsOnly": false})).await,
            Self::RegionsHang => {
                ground.switch(json!({"knownRegionsOnly": false})).await?;
                for region in invented_regions() {
                    ground.add_fault("*", json!("hang"), 1.0, &region).await?;
                }
                Ok(())
            }
            Self::Resets => {
                // The first one's operation does not end, so the others wait. No burst: the control
                // would be measured in it, and what is beside the attack after it.
                let switches =
                    json!({"requestsPerSecond": 5.0, "burst": 1.0, "operationPolls": 100_000});
                ground.switch(switches).await
            }
            Self::Refusals => {
                let error = json!({"error": {
                    "errorType": "ThrottlingException", "message": "Rate exceeded", "status": 400,
                }});
                // Not STS, which is another service.
                for operation in
                    ["ImportKeyPair", "GetKeyPair", "GetKeyPairs", "TagResource", "DeleteKeyPair"]
                {
                    ground.add_fault(operation, error.clone(), 0.2, REGION).await?;
                }
                Ok(())
            }
            Self::SetAside => {
                ground.at_region("POST", "default-key-pair", Value::Null).await.map(drop)
            }
            Self::Failing => {
                let key = PublicKey::from(Ed25519PublicKey([7; 32])).to_openssh();
                let key = key.map_err(anyhow::Error::msg)?;
                for name in names("conflict", 500) {
                    let pair = json!({"name": name, "publicKey": key});
                    ground.at_region("POST", "key-pairs", pair).await?;
                }
                Ok(())
            }
            Self::Rsa
            | Self::Annotations
            | Self::AnnotationsRestart
            | Self::AnnotationChanges
            | Self::Connections
            | Self::Tags
            | Self::Sources => Ok(()),
        }
    }

    /// Does it. What it returns is kept while the quiet namespace is measured.
    pub(super) async fn attack(self, ground: &Ground<'_>) -> Result<Option<Vec<TcpStream>>> {
        match self {
            Self::Rsa => {
                let spec = |name: &str| {
                    let generated = json!({"algorithm": "RSA4096", "secret": {"name": name}});
                    json!({"type": "Generated", "region": REGION, "generated": generated})
                };
                ground.create_pairs(objects("rsa", 40, spec)).await?;
            }
            Self::RegionsAnswer | Self::RegionsHang => {
                let objects = invented_regions().map(|region| Object {
                    name: format!("in-{region}"),
                    spec: imported(&region),
                    annotation: None,
                });
                ground.create_pairs(objects).await?;
            }
            Self::Annotations => ground.create_pairs(annotated()).await?,
            Self::AnnotationsRestart => {
                ground.create_pairs(annotated()).await?;
                ground.replicas.restart();
            }
            Self::AnnotationChanges => {
                let names: Vec<_> = names("annotated", 50).collect();
                let spec = |_: &str| imported(REGION);
                ground.create_pairs(objects("annotated", 50, spec)).await?;
                change(
                    ground,
                    &names,
                    Duration::from_millis(100),
                    |number| json!({"metadata": {"annotations": {RECONCILE: number.to_string()}}}),
                )
                .await?;
            }
            Self::Connections => return half_requests(ground).await.map(Some),
            Self::Resets => {
                let reset = json!({
                    "region": REGION, "instanceName": "web-1", "reason": "a measurement",
                });
                let spec = |_: &str| reset.clone();
                ground.create_resets(objects("reset", 300, spec)).await?;
            }
            Self::Refusals => {
                let spec = |_: &str| imported(REGION);
                ground.create_pairs(objects("refused", 300, spec)).await?;
            }
            Self::SetAside => occupy_set_aside_name(ground).await?,
            Self::Tags => {
                let names: Vec<_> = names("tagged", 200).collect();
                let spec = |_: &str| imported(REGION);
                ground.create_pairs(objects("tagged", 200, spec)).await?;
                change(
                    ground,
                    &names,
                    Duration::ZERO,
                    |number| json!({"spec": {"tags": {"edit": number.to_string()}}}),
                )
                .await?;
            }
            Self::Failing => {
                let conflict = |_: &str| imported(REGION);
                ground.create_pairs(objects("conflict", 500, conflict)).await?;
                let source = |_: &str| {
                    let source = json!({"configMapKeyRef": {"name": "absent", "key": "key"}});
                    let imported = json!({"publicKeyFrom": source});
                    json!({"type": "Imported", "region": REGION, "imported": imported})
                };
                ground.create_pairs(objects("source", 500, source)).await?;
            }
            Self::Sources => read_large_source(ground).await?,
        }
        Ok(None)
    }

    /// Ends what would keep objects from being deleted.
    pub(super) async fn relent(self, ground: &Ground<'_>) -> Result<()> {
        ground.remove_faults().await?;
        if self == Self::Resets {
            ground.switch(json!({"requestsPerSecond": 0.0, "operationPolls": 0})).await?;
        }
        Ok(())
    }

    /// Whether the quiet namespace needs a region too that nobody has used yet.
    pub(super) fn fills_regions(self) -> bool {
        matches!(self, Self::RegionsAnswer | Self::RegionsHang)
    }

    /// The sentences of all attacks, as a list.
    pub(super) fn all_sentences() -> Result<String> {
        let line = |attack: &Self| {
            let (name, sentence) = attack.name_and_sentence()?;
            Ok(format!("- `{name}`: {sentence}"))
        };
        let lines = Self::value_variants().iter().map(line).collect::<Result<Vec<_>>>();
        Ok(lines?.join("\n"))
    }

    /// Its name on the command line, and its sentence.
    pub(super) fn name_and_sentence(self) -> Result<(String, String)> {
        let value = self.to_possible_value().context("an attack has a name")?;
        let sentence = value.get_help().context("an attack has a sentence")?;
        Ok((value.get_name().to_owned(), sentence.to_string()))
    }
}

/// Regions that the pattern allows and Lightsail does not have.
fn invented_regions() -> impl Iterator<Item = String> {
    (0..1000).map(|number| format!("xx-north-{number}"))
}

fn imported(region: &str) -> Value {
    json!({"type": "Imported", "region": region, "imported": {"publicKey": KEY}})
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}-{number}"))
}

fn objects(
    prefix: &str,
    count: usize,
    spec: impl Fn(&str) -> Value,
) -> impl Iterator<Item = Object> {
    names(prefix, count).map(move |name| Object { spec: spec(&name), name, annotation: None })
}

fn annotated() -> impl Iterator<Item = Object> {
    let value = "x".repeat(LARGE);
    let objects = objects("annotated", 300, |_| imported(REGION));
    objects.map(move |object| Object { annotation: Some(value.clone()), ..object })
}

/// All read one ConfigMap, as large as `managedFields` allow.
async fn read_large_source(ground: &Ground<'_>) -> Result<()> {
    let mut data: BTreeMap<String, String> =
        names("key", 30_000).map(|key| (key, String::new())).collect();
    data.insert("public-key".to_owned(), KEY.to_owned());
    let metadata = json!({"name": "large"});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    let maps: Api<ConfigMap> = Api::namespaced(ground.client().clone(), HOSTILE);
    let parameters = PatchParams::apply("attack").force();
    let applied = maps.patch("large", &parameters, &Patch::Apply(&map)).await;
    applied.context("apply the ConfigMap")?;
    let names: Vec<_> = names("large-source", 50).collect();
    let spec = |_: &str| {
        let source = json!({"configMapKeyRef": {"name": "large", "key": "public-key"}});
        let imported = json!({"publicKeyFrom": source});
        json!({"type": "Imported", "region": REGION, "imported": imported})
    };
    ground.create_pairs(objects("large-source", 50, spec)).await?;
    let tags = |number: usize| json!({"spec": {"tags": {"round": number.to_string()}}});
    change(ground, &names, Duration::ZERO, tags).await
}

/// Changes all of them in rounds, one a period or as fast as it goes.
async fn change(
    ground: &Ground<'_>,
    names: &[String],
    period: Duration,
    change: impl Fn(usize) -> Value,
) -> Result<()> {
    let (api, start, mut rounds) = (ground.pairs(), Instant::now(), 0);
    while start.elapsed() < WHILE {
        let round = Instant::now();
        patch_all(&api, names, &change(rounds)).await?;
        rounds += 1;
        tokio::time::sleep(period.saturating_sub(round.elapsed())).await;
    }
    let (changes, time) = (rounds * names.len(), start.elapsed().as_secs_f64());
    ground.note(format!("{changes} changes in {time:.0} s"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::{Attack, invented_regions};

    #[test]
    fn every_attack_has_a_sentence() {
        for attack in Attack::value_variants() {
            assert!(attack.name_and_sentence().is_ok(), "{attack:?}");
        }
    }

    #[test]
    fn invented_regions_differ() {
        assert_eq!(invented_regions().collect::<BTreeSet<_>>().len(), 1000);
    }
}
