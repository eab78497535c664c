//! The name of an object, for everything that tells objects apart without reading them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// Names an object of a kind. Shared: each object is named in several places, by a pointer in each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef(Arc<Names>);

/// What an object is named by.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Names {
    /// Its namespace, which it shares with others.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Box<str>,
}

impl Deref for ObjectRef {
    type Target = Names;

    fn deref(&self) -> &Names {
        &self.0
    }
}

impl ObjectRef {
    /// The object of this name in that namespace.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self::within(&namespace.into(), name)
    }

    /// The object of this name in a namespace whose text is there already.
    pub(super) fn within(namespace: &Arc<str>, name: &str) -> Self {
        Self(Arc::new(Names { namespace: Arc::clone(namespace), name: name.into() }))
    }

    /// The reference of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self::of_metadata(object.meta())
    }

    /// The reference of the object with this metadata.
    pub(super) fn of_metadata(meta: &ObjectMeta) -> Self {
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        Self::new(namespace.unwrap_or_default(), name.unwrap_or_default())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}
