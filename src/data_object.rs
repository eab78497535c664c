//! Secrets and `ConfigMap`s as the API server sends them: parsing drops a user's data, except for
//! the requested keys.
//!
//! An object of 1 MiB may have tens of thousands of keys, as many owners of fields, or both. To
//! parse a large one takes long, so that is done beside the task that runs all reconciliations.
//! Nothing here logs, and no error repeats what was read (I4).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::keep_entries::KeepEntries;

/// What is smaller is parsed immediately: that takes less than a millisecond.
const SMALL: usize = 64 * 1024;
/// The operator's own annotations begin with this.
const OWN: &str = "lightsail-operator.dev/";

/// Which keys of the data are kept.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// Every one.
    All,
    /// These. There may be none of them.
    These(Vec<String>),
}

impl Keys {
    /// None but these.
    pub(crate) fn these<const COUNT: usize>(keys: [&str; COUNT]) -> Self {
        Self::These(keys.map(str::to_owned).into())
    }

    fn has(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(keys) => keys.iter().any(|wanted| wanted == key),
        }
    }
}

/// The Secret in an answer, with these keys. `None` if the answer is not a stored object, which
/// always has a uid.
pub(crate) async fn parse_secret(text: Zeroizing<String>, keys: Keys) -> Option<Secret> {
    parse(text, move |text| secret(text, &keys)).await
}

/// As [`parse_secret`], for a `ConfigMap`.
pub(crate) async fn parse_config_map(text: Zeroizing<String>, keys: Keys) -> Option<ConfigMap> {
    parse(text, move |text| config_map(text, &keys)).await
}

async fn parse<T: Send + 'static>(
    text: Zeroizing<String>,
    parse: impl FnOnce(&str) -> Option<T> + Send + 'static,
) -> Option<T> {
    if text.len() <= SMALL {
        return parse(&text);
    }
    // What it was parsed from is dropped there too, which overwrites it.
    tokio::task::spawn_blocking(move || parse(&text)).await.ok().flatten()
}

fn secret(text: &str, keys: &Keys) -> Option<Secret> {
    let parts = Parts::of(text)?;
    Some(Secret {
        metadata: parts.metadata.into(),
        data: kept(parts.data, keys).ok()?,
        immutable: parts.immutable,
        type_: parts.type_,
        ..Secret::default()
    })
}

fn config_map(text: &str, keys: &Keys) -> Option<ConfigMap> {
    let parts = Parts::of(text)?;
    Some(ConfigMap {
        metadata: parts.metadata.into(),
        data: kept(parts.data, keys).ok()?,
        binary_data: kept(parts.binary_data, keys).ok()?,
        immutable: parts.immutable,
    })
}

/// An object, with its data left as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'a> {
    metadata: Metadata,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    binary_data: Option<&'a RawValue>,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default, rename = "type")]
    type_: Option<String>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let parts: Option<Self> = serde_json::from_str(text).ok();
        parts.filter(|parts| parts.metadata.uid.is_some())
    }
}

/// The metadata that the operator reads.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "own_annotations")]
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            annotations: metadata.annotations,
            labels: metadata.labels,
            owner_references: metadata.owner_references,
            ..Self::default()
        }
    }
}

type Texts = Option<BTreeMap<String, String>>;

fn own_annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    KeepEntries::new(|key: &str| key.starts_with(OWN)).deserialize(deserializer)
}

/// The values of these keys.
fn kept<'a, V: Deserialize<'a>>(
    data: Option<&'a RawValue>,
    keys: &Keys,
) -> serde_json::Result<Option<BTreeMap<String, V>>> {
    let Some(data) = data else { return Ok(None) };
    let mut data = serde_json::Deserializer::from_str(data.get());
    KeepEntries::new(|key: &str| keys.has(key)).deserialize(&mut data)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(data: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "fleet",
                "namespace": "team-a",
                "uid": "u",
                "resourceVersion": "7",
                "creationTimestamp": "2026-11-24T12:00:00Z",
                "deletionTimestamp": "2026-11-24T12:00:01Z",
                "labels": { "a": "b" },
                "annotations": { "lightsail-operator.dev/created": "true" },
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "o" },
                ],
            },
            "type": "kubernetes.io/ssh-auth",
            "immutable": true,
            "data": data,
        })
    }

    /// The same object with what nobody asks for.
    fn with_more(mut object: Value, key: &str, value: &Value) -> String {
        object["metadata"]["managedFields"] =
            json!([{ "manager": "m", "fieldsV1": { "f:a": {} } }]);
        object["metadata"]["annotations"]["a"] = json!("of a user's");
        object[key]["more"] = value.clone();
        object.to_string()
    }

    #[test]
    fn of_a_secret_what_is_asked_for_is_kept_and_nothing_else() {
        let object = object(&json!({ "ssh-privatekey": "AQI=", "ssh-publickey": "" }));
        let text = with_more(object.clone(), "data", &json!("AAAA"));
        let whole: Secret = serde_json::from_value(object).unwrap();
        let keys = Keys::these(["ssh-privatekey", "ssh-publickey", "absent"]);
        assert_eq!(secret(&text, &keys), Some(whole.clone()));
        let data = Some(BTreeMap::new());
        assert_eq!(secret(&text, &Keys::these([])), Some(Secret { data, ..whole }));
        let all = secret(&text, &Keys::All).unwrap().data.unwrap();
        assert!(all.keys().eq(["more", "ssh-privatekey", "ssh-publickey"]));
        assert_eq!(all["ssh-privatekey"].0, [1, 2]);
    }

    #[test]
    fn of_a_config_map_texts_and_bytes_are_kept() {
        let mut object = object(&json!({ "key": "text", "other": "x" }));
        object["binaryData"] = json!({ "key": "AQI=" });
        let text = with_more(object, "binaryData", &json!("AAAA"));
        let found = config_map(&text, &Keys::these(["key"])).unwrap();
        assert_eq!(json!(found.data), json!({ "key": "text" }));
        assert_eq!(json!(found.binary_data), json!({ "key": "AQI=" }));
    }

    #[test]
    fn an_object_may_have_no_data() {
        let mut object = object(&Value::Null);
        for of in ["null", "absent"] {
            let found = secret(&object.to_string(), &Keys::All).unwrap();
            assert_eq!(found.data, None, "{of}");
            object.as_object_mut().unwrap().remove("data");
        }
    }

    #[test]
    fn what_is_no_stored_object_is_none() {
        let (mut unstored, many) = (object(&json!({})), object(&json!({ "a": 1 })));
        unstored["metadata"]["uid"] = Value::Null;
        let cut = object(&json!({})).to_string();
        for (name, text) in [
            ("without a uid", unstored.to_string().as_str()),
            ("a value that is no text", &many.to_string()),
            ("a list of data", &object(&json!([])).to_string()),
            ("cut off", &cut[..cut.len() - 1]),
            ("something else", "{}"),
            ("nothing", ""),
        ] {
            assert_eq!(secret(text, &Keys::All), None, "{name}");
        }
    }

    #[tokio::test]
    async fn the_others_run_while_a_large_object_is_parsed() {
        let keys = (0..40_000).map(|number| (format!("key-{number}"), json!("")));
        let many = object(&Value::Object(keys.collect())).to_string();
        assert!(many.len() > SMALL);
        let small = object(&json!({})).to_string();
        for (name, text, is_at_once) in [("small", small, true), ("large", many, false)] {
            let mut parsed = Box::pin(parse_secret(Zeroizing::new(text), Keys::these([])));
            let first = futures::poll!(&mut parsed);
            assert_eq!(first.is_ready(), is_at_once, "{name}");
            if first.is_pending() {
                assert_eq!(parsed.await.unwrap().data, Some(BTreeMap::new()), "{name}");
            }
        }
    }
}
