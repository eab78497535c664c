//! What users and others do in a run: the acts of a scenario.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use anyhow::{Context, Result};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::object::{is_settled, key_of};
use super::scenario::Act;
use super::stage::{ACCOUNT_KIND, CLUSTER_ID, Stage, object, split};
use crate::cli::simulator::{ACCOUNT, REGION};

impl Stage {
    /// Does what a user or somebody else does.
    pub(super) async fn act(&self, act: &Act) -> Result<()> {
        match act {
            Act::Create { object, spec, metadata } => self.create(object, spec, metadata).await?,
            Act::Patch { object, change } => {
                let (kind, name) = split(object)?;
                let change = Patch::Merge(self.filled(change));
                let name = self.name(kind, name);
                self.objects(kind).patch(&name, &PatchParams::default(), &change).await?;
            }
            Act::Delete(object) => self.delete(object).await?,
            Act::Reconcile(object) => {
                let (kind, name) = split(object)?;
                let times = self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let annotations = json!({ "lightsail-operator.dev/reconcile": times.to_string() });
                let change = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
                self.objects(kind).patch(name, &PatchParams::default(), &change).await?;
            }
            Act::Secret { name, data } => {
                let is_key = data.contains_key("ssh-privatekey");
                let type_ = if is_key { "kubernetes.io/ssh-auth" } else { "Opaque" };
                let secret = json!({
                    "metadata": { "name": name }, "type": type_, "stringData": self.texts(data),
                });
                let secret = object(secret)?;
                let created = self.secrets().create(&PostParams::default(), &secret).await?;
                let uid = created.metadata.uid.unwrap_or_default();
                self.users_secrets.lock().unwrap_or_else(PoisonError::into_inner).push(uid);
            }
            Act::PatchSecret { name, data } => {
                let key = self.key_in(name).await?;
                let change = Patch::Merge(json!({ "stringData": self.texts(data) }));
                self.secrets().patch(name, &PatchParams::default(), &change).await?;
                self.note_deleted_key(key);
            }
            Act::Import { name, key, tags } => {
                self.region.import_key_pair(name, &self.text(key));
                self.tag(name, tags);
            }
            Act::Tag { name, tags } => self.tag(name, tags),
            Act::DeletePair(name) => {
                self.region.delete_key_pair(name);
            }
            Act::CreateDefaultPair => {
                self.region.create_default_key_pair();
            }
            Act::Launch(name) => self.region.add_instance(name),
            Act::Switches(switches) => {
                let mut outcome = Ok(());
                self.region.set_switches(|own| outcome = merge(own, switches));
                outcome?;
            }
            Act::Settle => {
                self.wait("all objects are settled", async || {
                    Ok(self.all_objects().await?.values().all(is_settled))
                })
                .await?;
            }
            Act::Await { object, reason } => {
                self.wait(&format!("{object} shows {reason}"), async || {
                    let all = self.all_objects().await?;
                    let shown = |it: &Value| super::object::reason(it) == Some(reason.as_str());
                    Ok(all.get(object).is_none_or(shown))
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn create(&self, at: &str, spec: &Value, metadata: &Value) -> Result<()> {
        let (kind, name) = split(at)?;
        let mut spec = self.filled(spec);
        if kind != ACCOUNT_KIND {
            spec["region"] = json!(REGION);
        }
        if let Some(pair) = spec["keyPairName"].as_str() {
            let mut names = self.pair_names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(name.to_owned(), pair.to_owned());
        }
        let mut metadata = if metadata.is_object() { self.filled(metadata) } else { json!({}) };
        metadata["name"] = json!(self.name(kind, name));
        let new: DynamicObject = object(json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": kind,
            "metadata": metadata, "spec": spec,
        }))?;
        self.objects(kind).create(&PostParams::default(), &new).await?;
        if kind == ACCOUNT_KIND {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            accounts.insert(self.name(kind, name));
        }
        Ok(())
    }

    async fn delete(&self, at: &str) -> Result<()> {
        let (kind, name) = split(at)?;
        if kind == "Secret" {
            let key = self.key_in(name).await?;
            self.secrets().delete(name, &DeleteParams::default()).await?;
            self.note_deleted_key(key);
        } else {
            let name = self.name(kind, name);
            self.objects(kind).delete(&name, &DeleteParams::default()).await?;
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
        Ok(())
    }

    /// The public half of the private key that a Secret holds.
    async fn key_in(&self, secret: &str) -> Result<Option<String>> {
        Ok(self.secrets().get_opt(secret).await?.as_ref().and_then(key_of))
    }

    /// Somebody else has taken a key away: nobody can hold that against the operator.
    fn note_deleted_key(&self, key: Option<String>) {
        self.deleted_keys.lock().unwrap_or_else(PoisonError::into_inner).extend(key);
    }

    fn tag(&self, name: &str, tags: &BTreeMap<String, String>) {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| (key.as_str(), Some(self.text(value)))).collect();
        let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, value.as_deref())).collect();
        self.region.set_tags(name, &tags);
    }

    fn texts(&self, data: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        data.iter().map(|(key, text)| (key.clone(), self.text(text))).collect()
    }

    /// A text with what stands for something: `$A` for a public key, `$A.private` for its private
    /// one, `$fingerprint(fleet)` for what Lightsail lists now, `$owner(fleet)` for an owner tag,
    /// `$account(own)` for the name of an account, and `$namespace`, `$region` and `$accountID`.
    fn text(&self, text: &str) -> String {
        let argument = |of: &str| text.strip_prefix(of)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(name) = argument("$fingerprint") {
            let pair = self.region.find_key_pair(name);
            let fingerprint = pair.map(|it| it.fingerprint).unwrap_or_default();
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            named.push(fingerprint.clone());
            return fingerprint;
        }
        if let Some(name) = argument("$owner") {
            return format!("{CLUSTER_ID}/{}/{name}", self.namespace);
        }
        if let Some(name) = argument("$account") {
            return self.name(ACCOUNT_KIND, name);
        }
        match text {
            "$namespace" => return self.namespace.clone(),
            "$region" => return REGION.to_owned(),
            "$accountID" => return ACCOUNT.to_owned(),
            _ => {}
        }
        let Some(letter) = text.strip_prefix('$') else { return text.to_owned() };
        let (letter, part) = letter.split_once('.').unwrap_or((letter, "public"));
        let key = self.keys().get(letter);
        key.map_or_else(
            || text.to_owned(),
            |key| if part == "private" { key.private.clone() } else { key.public.clone() },
        )
    }

    /// The same in all texts of a value.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.filled(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.filled(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

fn merge<T: serde::Serialize + DeserializeOwned>(own: &mut T, changes: &Value) -> Result<()> {
    let mut all = serde_json::to_value(&*own)?;
    for (name, value) in changes.as_object().context("switches are named")? {
        anyhow::ensure!(all.get(name).is_some(), "there is no switch {name}");
        all[name] = value.clone();
    }
    *own = serde_json::from_value(all)?;
    Ok(())
}
