//! Maps that a user fills, and of which only a few entries are needed. The others are dropped while
//! parsing.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Keeps the entries of a map with these keys.
pub(crate) struct KeepEntries<F, V>(F, PhantomData<V>);

impl<F: Fn(&str) -> bool, V> KeepEntries<F, V> {
    pub(crate) fn new(is_kept: F) -> Self {
        Self(is_kept, PhantomData)
    }
}

impl<'de, F: Fn(&str) -> bool, V: Deserialize<'de>> DeserializeSeed<'de> for KeepEntries<F, V> {
    type Value = Option<BTreeMap<String, V>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Fn(&str) -> bool, V: Deserialize<'de>> Visitor<'de> for KeepEntries<F, V> {
    type Value = Option<BTreeMap<String, V>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(key) = map.next_key_seed(KeptKey(&self.0))? {
            match key {
                Some(key) => drop(kept.insert(key, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(kept))
    }
}

/// A key, if it is kept. The others are not copied.
struct KeptKey<'a, F>(&'a F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for KeptKey<'_, F> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for KeptKey<'_, F> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.0)(key).then(|| key.to_owned()))
    }
}
