//! An object as the API server sends it.
//!
//! A newer CRD allows what this version cannot parse. Such an object delays no other: each object
//! of a list is parsed alone, and every object with metadata parses. Large fields that a user
//! controls and the operator does not read are dropped while parsing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::gitops_labels;
use super::message::Message;
use crate::api::conditions::{Conditions, READY, RECONCILING, STALLED, find, is_true};
use crate::api::{EXECUTED_ANNOTATION, RECONCILE_ANNOTATION, Reconciled};
use crate::digest::{self, Digest};
use crate::ids::Arn;
use crate::keep_entries::KeepEntries;

/// An object as the API server sends it.
#[derive(Clone, Debug)]
pub(crate) enum Served<K> {
    /// This version can read it.
    Readable(K),
    /// It cannot.
    Unreadable(Box<Unreadable>),
}

/// An object that this version cannot read.
#[derive(Clone)]
pub(crate) struct Unreadable {
    /// Its reference and uid.
    pub(crate) metadata: ObjectMeta,
    /// The path of the first field that cannot be read, without its value: a user may have pasted a
    /// private key.
    pub(crate) field: String,
    /// The status, verbatim.
    status: Option<Box<RawValue>>,
}

impl fmt::Debug for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unreadable").field("field", &self.field).finish_non_exhaustive()
    }
}

/// How an object that cannot be read was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenUnreadable {
    pub(crate) uid: String,
    pub(super) generation: i64,
    /// The digest of the field that cannot be read.
    pub(super) field: u64,
    pub(crate) created_at: Option<Timestamp>,
    /// The key pair on record.
    pub(super) arn: Option<Digest<Arn>>,
}

impl SeenUnreadable {
    /// Whether the log has not said it yet. Whoever edits an object again and again must not fill
    /// the log.
    pub(super) fn is_news(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| (&before.uid, before.field) != (&self.uid, self.field))
    }
}

/// The members of a status that say what an object has used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Used {
    #[serde(rename = "accountID")]
    account_id: Option<String>,
    arn: Option<String>,
}

/// A status with other conditions. Everything else in it stays as it was.
pub(crate) type RawStatus = BTreeMap<String, Box<RawValue>>;

impl Unreadable {
    /// How it is seen now.
    pub(super) fn seen(&self) -> SeenUnreadable {
        SeenUnreadable {
            uid: self.metadata.uid.clone().unwrap_or_default(),
            generation: self.metadata.generation.unwrap_or_default(),
            field: digest::keyed(&self.field),
            created_at: self.metadata.creation_timestamp.as_ref().map(|time| time.0),
            arn: self.used().arn.map(Digest::of),
        }
    }

    /// What is on record, if that can be read. Users cannot write the status.
    fn used(&self) -> Used {
        let status = self.status.as_ref().map(|status| serde_json::from_str(status.get()));
        status.and_then(Result::ok).unwrap_or_default()
    }

    /// The account on record, if that can be read.
    pub(crate) fn account_id(&self) -> Option<String> {
        self.used().account_id
    }

    /// The status that says that the object cannot be read. `None` if it already says so, or if
    /// conditions cannot be added.
    pub(crate) fn status(&self, now: Timestamp) -> Option<RawStatus> {
        let mut status = match &self.status {
            Some(status) => serde_json::from_str::<RawStatus>(status.get()).ok()?,
            None => RawStatus::default(),
        };
        let all: Vec<Box<RawValue>> = match status.get("conditions") {
            Some(list) => serde_json::from_str(list.get()).ok()?,
            None => Vec::new(),
        };
        let parsed = |raw: &RawValue| serde_json::from_str::<Condition>(raw.get()).ok();
        let is_ours = |raw: &RawValue| {
            let ours = [READY, RECONCILING, STALLED];
            parsed(raw).is_some_and(|condition| ours.contains(&&*condition.type_))
        };
        let (ours, mut list): (Vec<_>, Vec<_>) = all.into_iter().partition(|raw| is_ours(raw));
        let before: Vec<Condition> = ours.iter().filter_map(|raw| parsed(raw)).collect();
        let generation = self.metadata.generation.unwrap_or_default();
        let message = Message::Unsupported { field: &self.field };
        let (reason, message) = (message.reason(), message.to_string());
        let conditions = Conditions::new(&before, generation, now)
            .with(READY, "False", reason, &message)
            .with(STALLED, "True", reason, &message)
            .into_list();
        let is_said = |condition: &Condition| find(&before, &condition.type_) == Some(condition);
        if conditions.iter().all(is_said) && !is_true(&before, RECONCILING) {
            return None;
        }
        list.extend(conditions.iter().filter_map(|condition| to_raw_value(condition).ok()));
        status.insert("conditions".to_owned(), to_raw_value(&list).ok()?);
        Some(status)
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Served<K> {
    type DynamicType = ();
    // Some kinds are in namespaces, and some are not.
    type Scope = DynamicResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Readable(object) => object.meta(),
            Self::Unreadable(object) => &object.metadata,
        }
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Readable(object) => object.meta_mut(),
            Self::Unreadable(object) => &mut object.metadata,
        }
    }
}

impl<'de, K: Reconciled> Deserialize<'de> for Served<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { metadata, spec, status } = Parts::deserialize(deserializer)?;
        let too_many = metadata.finalizers.as_ref().is_some_and(|finalizers| finalizers.1);
        let metadata = ObjectMeta::from(metadata);
        if too_many {
            let field = "metadata.finalizers".to_owned();
            return Ok(Self::Unreadable(Box::new(Unreadable { metadata, field, status })));
        }
        let body = Body { metadata: Nothing {}, spec: spec.as_deref(), status: status.as_deref() };
        let body = serde_json::to_string(&body).map_err(D::Error::custom)?;
        drop(spec);
        if let Ok(mut object) = serde_json::from_str::<K>(&body) {
            *object.meta_mut() = metadata;
            return Ok(Self::Readable(object));
        }
        let field = unreadable_field::<K>(&body);
        Ok(Self::Unreadable(Box::new(Unreadable { metadata, field, status })))
    }
}

/// The first field that cannot be read. To keep the path costs about as much as to parse, so that
/// is done only where it is needed.
fn unreadable_field<K: Reconciled>(body: &str) -> String {
    let mut body = serde_json::Deserializer::from_str(body);
    let error = serde_path_to_error::deserialize::<_, K>(&mut body).err();
    error.map_or_else(|| "spec".to_owned(), |error| field(error.path()))
}

/// An object, with what is in it left as text.
#[derive(Deserialize)]
struct Parts {
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

/// The metadata was read already.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Body<'a> {
    metadata: Nothing,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a RawValue>,
}

/// The metadata that the operator reads. It has all finalizers, because one is removed by writing
/// the others. An object with too many of them is not read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "finalizers")]
    finalizers: Option<Finalizers>,
    #[serde(deserialize_with = "annotations")]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            finalizers: metadata.finalizers.map(|finalizers| finalizers.0),
            annotations: metadata.annotations,
            labels: metadata.labels,
            ..Self::default()
        }
    }
}

/// At most this many finalizers are kept; no object has more than a handful. The API server limits
/// them only by the size of the whole object.
const MOST_FINALIZERS: usize = 64;
/// A finalizer is a name with a domain, which has at most this length.
const LONGEST_FINALIZER: usize = 317;

/// The finalizers, and whether there are too many to be kept.
struct Finalizers(Vec<String>, bool);

fn finalizers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Finalizers>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Option<Finalizers>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of texts")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(finalizer) = list.next_element::<String>()? {
                if kept.len() == MOST_FINALIZERS || finalizer.len() > LONGEST_FINALIZER {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Some(Finalizers(Vec::new(), true)));
                }
                kept.push(finalizer);
            }
            Ok(Some(Finalizers(kept, false)))
        }
    }
    deserializer.deserialize_any(List)
}

type Texts = Option<BTreeMap<String, String>>;

fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    short(deserializer, |key| {
        matches!(key, RECONCILE_ANNOTATION | EXECUTED_ANNOTATION)
            || gitops_labels::is_annotation(key)
    })
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    short(deserializer, gitops_labels::is_label)
}

/// The entries with these keys. A long value is kept as its digest.
fn short<'de, D: Deserializer<'de>>(
    deserializer: D,
    is_kept: impl Fn(&str) -> bool,
) -> Result<Texts, D::Error> {
    let kept = KeepEntries::<_, Short>::new(is_kept).deserialize(deserializer)?;
    Ok(kept.map(|kept| kept.into_iter().map(|(key, value)| (key, value.0)).collect()))
}

struct Short(String);

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Short;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Short, E> {
                Ok(Short(digest::short(text).into_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The longest field name that messages repeat. Every name in a CRD is shorter, and every line of a
/// private key is longer.
const LONGEST_NAME: usize = 40;

/// The path, as far as its parts can be names of fields: the keys of a map are a user's.
fn field(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut field = String::new();
    for segment in path {
        match segment {
            // The same text for every position in a list.
            Segment::Seq { .. } => {}
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                let is_name = |char: char| char.is_ascii_alphanumeric();
                if name.len() > LONGEST_NAME || !name.chars().all(is_name) {
                    break;
                }
                if !field.is_empty() {
                    field.push('.');
                }
                field += name;
            }
            Segment::Unknown => break,
        }
    }
    if field.is_empty() { "spec".to_owned() } else { field }
}

#[cfg(test)]
#[path = "tests/served.rs"]
mod tests;
