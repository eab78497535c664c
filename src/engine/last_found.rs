//! What is the same for many objects in a row, and is found out once for them.

/// What was found out last.
#[derive(Debug)]
pub struct LastFound<K, V>(Option<(K, V)>);

impl<K, V> Default for LastFound<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Clone + PartialEq, V: Copy> LastFound<K, V> {
    /// The value of a key, which is found out unless it is the one of before.
    pub fn get(&mut self, key: &K, find: impl FnOnce() -> V) -> V {
        let known = self.0.as_ref().filter(|(known, _)| known == key).map(|(_, value)| *value);
        known.unwrap_or_else(|| {
            let value = find();
            self.0 = Some((key.clone(), value));
            value
        })
    }
}
