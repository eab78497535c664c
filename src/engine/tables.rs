//! Tables of what is kept of each object, in little memory. A uid is only compared, so its digest
//! serves; a text that many objects have is there once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::uid::Uid;
use crate::digest::Digest;

/// A value for each of some objects, by uid.
#[derive(Debug)]
pub struct ByUid<T>(HashMap<Digest<Uid>, T>);

impl<T> Default for ByUid<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByUid<T> {
    /// The value of an object, if it has one.
    #[must_use]
    pub fn get(&self, uid: &str) -> Option<&T> {
        self.0.get(&Digest::of(uid))
    }

    /// As [`Self::get`], without making a text of the uid.
    #[must_use]
    pub fn get_of(&self, uid: &Uid) -> Option<&T> {
        self.0.get(&uid.digest())
    }

    /// As [`Self::get`], to be changed.
    pub fn get_mut(&mut self, uid: &str) -> Option<&mut T> {
        self.0.get_mut(&Digest::of(uid))
    }

    /// How many objects have one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Gives an object a value.
    pub fn insert(&mut self, uid: &str, value: T) {
        self.0.insert(Digest::of(uid), value);
    }

    /// Gives an object a value, or takes away the one that it has.
    pub fn set(&mut self, uid: &str, value: Option<T>) {
        match value {
            Some(value) => self.insert(uid, value),
            None => drop(self.remove(uid)),
        }
    }

    /// The value of an object, which gets this one if it has none.
    pub fn get_or_insert_with(&mut self, uid: &str, value: impl FnOnce() -> T) -> &mut T {
        self.0.entry(Digest::of(uid)).or_insert_with(value)
    }

    /// Takes the value of an object away.
    pub fn remove(&mut self, uid: &str) -> Option<T> {
        let removed = self.0.remove(&Digest::of(uid));
        shrink(&mut self.0);
        removed
    }
}

/// A table keeps the room that it had when it was fullest. Gives it back once most of it is empty.
pub(crate) fn shrink<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    const SMALL: usize = 1_024;
    if table.capacity() > SMALL && table.len() < table.capacity() / 8 {
        table.shrink_to(table.len() * 2);
    }
}

/// The text as it is in the table, or else a new one, which is to become a key there.
pub(crate) fn shared<V>(table: &HashMap<Arc<str>, V>, text: &str) -> Arc<str> {
    table.get_key_value(text).map_or_else(|| text.into(), |(text, _)| Arc::clone(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_by_its_uid_in_either_form() {
        let mut table = ByUid::default();
        let uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let uids = [uuid, &uuid.to_uppercase(), "u", ""];
        for uid in uids {
            table.insert(uid, uid.to_owned());
        }
        for uid in uids {
            assert_eq!(table.get_of(&Uid::from(uid)).map(String::as_str), Some(uid));
        }
        assert_eq!(table.get_of(&Uid::from("v")), None);
    }

    #[test]
    fn room_for_many_is_not_kept() {
        let (mut table, uid) = (ByUid::default(), |number: usize| format!("u{number}"));
        for number in 0..10_000 {
            table.insert(&uid(number), number);
        }
        assert!(table.0.capacity() >= 10_000);
        for number in 1..10_000 {
            assert_eq!(table.remove(&uid(number)), Some(number));
        }
        assert!(table.0.capacity() < 2_000, "{}", table.0.capacity());
        assert_eq!((table.get("u0"), table.get("u1")), (Some(&0), None));
    }
}
