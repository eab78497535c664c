//! Digests of what users write: it is only compared, and may be long.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::marker::PhantomData;
use std::num::NonZero;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// Longer texts are kept as their digest. As long as the longest name in Kubernetes.
pub(crate) const LONGEST: usize = 253;

/// A number that differs where the values differ, for comparisons within this process. The key is
/// random, so nobody can choose two values with the same number.
#[must_use]
pub(crate) fn keyed(value: impl Hash) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(value)
}

/// What is kept of a value that is only compared with others of its type, within this process: two
/// that differ have the same digest once in 2^64 comparisons, and nobody can choose them so.
#[derive(Debug)]
pub struct Digest<T> {
    /// Not 0, so that no digest at all takes no room of its own.
    number: NonZero<u64>,
    of: PhantomData<fn() -> T>,
}

impl<T> Digest<T> {
    /// The digest of a value, or of its text.
    #[must_use]
    pub(crate) fn of(value: impl Hash) -> Self {
        Self { number: NonZero::new(keyed(value)).unwrap_or(NonZero::<u64>::MAX), of: PhantomData }
    }
}

impl<T> Clone for Digest<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Digest<T> {}

impl<T> PartialEq for Digest<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Digest<T> {}

impl<T> Hash for Digest<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// The text, if it has at most 253 bytes, and otherwise `sha256:` and its digest. What came out
/// once comes out again.
#[must_use]
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("sha256:{}", hex::encode(Sha256::digest(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_kept_as_their_digest() {
        for length in [0, 1, 253] {
            let text = "é".repeat(length / 2) + &"a".repeat(length % 2);
            assert_eq!(short(&text), text);
        }
        let long = "a".repeat(254);
        // `printf 'a%.0s' {1..254} | sha256sum`
        let expected = "sha256:136496c2a16a22b58bbd01529b66d8510cc5a3ec61711cbaa298a52580b000d6";
        assert_eq!(short(&long), expected);
        assert_eq!(short(expected), expected);
        assert_ne!(short(&long), short(&"b".repeat(254)));
    }

    #[test]
    fn what_differs_has_another_number() {
        assert_eq!(keyed(("team", "a")), keyed(("team", "a")));
        let others = [keyed(("team", "a")), keyed(("team", "b")), keyed(("tea", "ma"))];
        assert!(others[0] != others[1] && others[0] != others[2] && others[1] != others[2]);
    }
}
