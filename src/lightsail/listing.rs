//! All key pairs of one account in one region, in little memory: there may be tens of thousands,
//! and most are only compared with what their objects have recorded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::error::Error;
use super::types::{KeyPair, Result, Tags};
use crate::api::OWNER_TAG;
use crate::clock::Moment;
use crate::digest::Digest;
use crate::ids::{Arn, Fingerprint, KeyPairName};

/// A list is good for this many times as long as it took to read. So where there are many pairs, or
/// where Lightsail throttles, no more than a twentieth of all requests is spent on lists. If an
/// older list was wrong, the next call or read shows it.
const WALKS_APART: u32 = 19;

/// A caller that needs a newer list, because of what it sent since, waits at most this long after
/// the last read.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// All key pairs of one account in one region, the default pair included.
#[derive(Clone, Debug)]
pub struct Listing {
    pairs: HashMap<Digest<KeyPairName>, Packed>,
    /// By the namespace in their owner tag, as soon as somebody asks for that.
    by_namespace: OnceLock<ByNamespace>,
    /// What the ARNs of one account and region begin with. Pairs leave it out.
    arns: Arc<str>,
    /// How many of them this cluster manages.
    pub(super) managed: usize,
    /// How many were listed that cannot be told apart, and are not in here.
    pub(super) unusable: usize,
    pages: usize,
    started_at: Moment,
    took: Duration,
}

/// The names of pairs, by what their owner tag begins with: the cluster and the namespace.
type ByNamespace = HashMap<Digest<String>, HashSet<Digest<KeyPairName>>>;

impl Listing {
    /// A list whose read begins now.
    pub(super) fn begin() -> Self {
        let (pairs, arns, started_at) = (HashMap::new(), "".into(), Moment::now());
        let (managed, unusable, pages, took) = (0, 0, 0, Duration::ZERO);
        let by_namespace = OnceLock::new();
        Self { pairs, by_namespace, arns, managed, unusable, pages, started_at, took }
    }

    /// The read is complete.
    pub(super) fn end(&mut self, pages: usize) {
        (self.pages, self.took) = (pages, self.started_at.elapsed());
        self.pairs.shrink_to_fit();
    }

    /// The pair of this name.
    #[must_use]
    pub fn find(&self, name: &KeyPairName) -> Option<KeyPair> {
        self.find_digest(Digest::of(name))
    }

    /// The pair of this name, or that none was listed.
    ///
    /// # Errors
    /// It is not there, and something was listed that may be it.
    pub fn find_for_sure(&self, name: &KeyPairName) -> Result<Option<KeyPair>> {
        match self.find(name) {
            None if self.unusable > 0 => Err(Error::incomplete("keyPair.arn")),
            found => Ok(found),
        }
    }

    /// The pair of the name with this digest.
    #[must_use]
    pub(crate) fn find_digest(&self, name: Digest<KeyPairName>) -> Option<KeyPair> {
        self.pairs.get(&name).map(|pair| pair.unpack(&self.arns))
    }

    /// All of them, in no particular order.
    pub fn pairs(&self) -> impl Iterator<Item = KeyPair> {
        self.pairs.values().map(|pair| pair.unpack(&self.arns))
    }

    /// Those with the owner tag of an object in this namespace of this cluster.
    pub(crate) fn owned_in(
        &self,
        cluster: &str,
        namespace: &str,
    ) -> impl Iterator<Item = Digest<KeyPairName>> {
        let by_namespace = self.by_namespace.get_or_init(|| {
            let mut all = ByNamespace::new();
            for (name, pair) in &self.pairs {
                if let Some(of) = pair.tag(OWNER_TAG).and_then(namespace_of) {
                    all.entry(of).or_default().insert(*name);
                }
            }
            all
        });
        let owned = namespace_of(&format!("{cluster}/{namespace}/"));
        owned.and_then(|of| by_namespace.get(&of)).into_iter().flatten().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// When its read started, which distinguishes lists.
    #[must_use]
    pub fn started_at(&self) -> Moment {
        self.started_at
    }

    /// The number of its pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// From when on another list may be read though this one is still good for most: a namespace
    /// could ask for one all the time.
    pub(super) fn may_follow(&self) -> Moment {
        let pause = (self.took * WALKS_APART).min(LONGEST_PAUSE);
        self.started_at + self.took + pause
    }

    pub(super) fn is_good(&self, max_age: Duration) -> bool {
        self.started_at.elapsed() <= max_age.max(self.took * WALKS_APART)
    }

    /// Adds a pair, and shares it with the previous list if it is the same there. Returns the pair
    /// that had its name.
    pub(super) fn insert(&mut self, pair: &KeyPair, before: Option<&Self>) -> Option<KeyPair> {
        let before = before.filter(|before| !before.is_empty());
        if self.is_empty() {
            let arns = before.map(|before| Arc::clone(&before.arns)).filter(|it| !it.is_empty());
            self.arns = arns.unwrap_or_else(|| beginning(pair.arn.as_str()).into());
        }
        let (name, packed) = (Digest::of(&pair.name), Packed::of(pair, &self.arns));
        let before = before.filter(|before| before.arns == self.arns);
        let known = before.and_then(|before| before.pairs.get(&name)).filter(|it| **it == packed);
        let replaced = self.remove(&pair.name);
        if let Some(by_namespace) = self.by_namespace.get_mut()
            && let Some(of) = packed.tag(OWNER_TAG).and_then(namespace_of)
        {
            by_namespace.entry(of).or_default().insert(name);
        }
        self.pairs.insert(name, known.cloned().unwrap_or(packed));
        replaced
    }

    /// Removes a pair.
    pub(super) fn remove(&mut self, name: &KeyPairName) -> Option<KeyPair> {
        let name = Digest::of(name);
        let pair = self.pairs.remove(&name)?;
        if let Some(by_namespace) = self.by_namespace.get_mut()
            && let Some(of) = pair.tag(OWNER_TAG).and_then(namespace_of)
            && let Some(there) = by_namespace.get_mut(&of)
        {
            there.remove(&name);
            if there.is_empty() {
                by_namespace.remove(&of);
            }
        }
        Some(pair.unpack(&self.arns))
    }
}

/// What the owner tags of all objects of a namespace begin with.
fn namespace_of(owner: &str) -> Option<Digest<String>> {
    let (end, _) = owner.match_indices('/').nth(1)?;
    Some(Digest::of(&owner[..=end]))
}

/// An ARN without what is the pair's own.
fn beginning(arn: &str) -> &str {
    arn.rfind('/').map_or("", |end| &arn[..=end])
}

/// A pair, with all its texts in one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Packed {
    /// Each text with [`END`] after it, and most with a sign before it that says what it is.
    Text(Arc<str>),
    /// A text contains [`END`].
    Whole(Arc<KeyPair>),
}

const END: char = '\0';
/// Name, ARN, date, support code, fingerprint.
const PARTS_BEFORE_TAGS: usize = 5;
/// The text follows.
const THERE: char = '+';
/// There is none.
const MISSING: char = '-';
/// The rest of a text follows whose beginning many have, or nothing: all of it is known.
const KNOWN: char = '~';

impl Packed {
    fn of(pair: &KeyPair, arns: &str) -> Self {
        let mut text = String::new();
        let mut count = 0;
        let mut add = |sign: Option<char>, part: &str| {
            text.extend(sign);
            text.push_str(part);
            text.push(END);
            count += 1;
        };
        let sign = |part: Option<&str>| Some(if part.is_some() { THERE } else { MISSING });
        add(None, pair.name.as_str());
        let arn = pair.arn.as_str();
        match arn.strip_prefix(arns).filter(|_| !arns.is_empty()) {
            Some(rest) => add(Some(KNOWN), rest),
            None => add(Some(THERE), arn),
        }
        let fingerprint = pair.fingerprint.as_ref().map(Fingerprint::as_str);
        for part in [pair.created_at.as_deref(), pair.support_code.as_deref(), fingerprint] {
            add(sign(part), part.unwrap_or_default());
        }
        for (key, value) in &pair.tags {
            match &**key {
                OWNER_TAG => add(Some(KNOWN), ""),
                key => add(Some(THERE), key),
            }
            add(sign(value.as_deref()), value.as_deref().unwrap_or_default());
        }
        if text.matches(END).count() == count {
            Self::Text(text.into())
        } else {
            Self::Whole(Arc::new(pair.clone()))
        }
    }

    /// The value of a tag, if it has one.
    fn tag(&self, key: &str) -> Option<&str> {
        let text = match self {
            Self::Text(text) => text,
            Self::Whole(pair) => return pair.tags.get(key)?.as_deref(),
        };
        let mut parts = text.split_terminator(END).skip(PARTS_BEFORE_TAGS);
        loop {
            let (found, value) = (parts.next()?, parts.next()?);
            if tag_key(found) == key {
                return value.strip_prefix(THERE);
            }
        }
    }

    fn unpack(&self, arns: &str) -> KeyPair {
        let text = match self {
            Self::Text(text) => text,
            Self::Whole(pair) => return KeyPair::clone(pair),
        };
        let mut parts = text.split_terminator(END);
        let mut part = || parts.next().unwrap_or_default();
        let optional = |part: &str| part.strip_prefix(THERE).map(str::to_owned);
        let (name, arn) = (part().into(), part());
        let arn = match arn.strip_prefix(KNOWN) {
            Some(rest) => Arn::from(format!("{arns}{rest}")),
            None => arn.strip_prefix(THERE).unwrap_or_default().into(),
        };
        let [created_at, support_code, fingerprint] = [part(), part(), part()].map(optional);
        let mut tags = Tags::new();
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            tags.insert(tag_key(key).to_owned(), optional(value));
        }
        let fingerprint = fingerprint.map(Into::into);
        KeyPair { name, arn, created_at, support_code, fingerprint, tags }
    }
}

/// The key of a tag, as it was packed.
fn tag_key(packed: &str) -> &str {
    packed.strip_prefix(THERE).unwrap_or(OWNER_TAG)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clocks;

    fn pair(name: &str) -> KeyPair {
        KeyPair {
            name: name.into(),
            arn: "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1".into(),
            created_at: Some("2026-11-24T12:00:00Z".to_owned()),
            support_code: None,
            fingerprint: Some("f".into()),
            tags: Tags::new(),
        }
    }

    #[test]
    fn i14_lists_that_somebody_asks_for_are_read_with_pauses() {
        for (took, pause) in [(0, 0), (1, 19), (10, 190), (200, 300)] {
            let took = Duration::from_secs(took);
            let listing = Listing { took, ..Listing::begin() };
            let expected = listing.started_at() + took + Duration::from_secs(pause);
            assert_eq!(listing.may_follow(), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_lightsail_lists_comes_out_as_it_went_in(
            texts in proptest::array::uniform2("[\\PC\0+-]*"),
            optional in proptest::array::uniform3(proptest::option::of("[\\PC\0+-]*")),
            tags in proptest::collection::btree_map(
                "[\\PC\0+-]*", proptest::option::of("[\\PC\0+-]*"), 0..4),
        ) {
            let [name, arn] = texts;
            let [created_at, support_code, fingerprint] = optional;
            let fingerprint = fingerprint.map(Into::into);
            let tags = tags.into_iter().collect();
            let pair = KeyPair { name: name.into(), arn: arn.into(), created_at, support_code,
                fingerprint, tags };
            let mut listing = Listing::begin();
            prop_assert_eq!(listing.insert(&pair, None), None);
            prop_assert_eq!(listing.find(&pair.name), Some(pair.clone()));
            for (key, value) in &pair.tags {
                let found = listing.pairs[&Digest::of(&pair.name)].tag(key);
                prop_assert_eq!(found, value.as_deref());
            }
            prop_assert_eq!(listing.remove(&pair.name), Some(pair));
            prop_assert!(listing.is_empty());
        }
    }

    #[test]
    fn a_list_is_good_for_the_time_asked_for_and_longer_if_it_took_long_to_read() {
        let (clocks, second) = (Clocks::read(), Duration::from_secs(1));
        let started_at = clocks.moment_of(clocks.time() - Duration::from_mins(10));
        for (max_age, took, expected) in [
            (Duration::from_mins(15), second, true),
            (Duration::from_mins(5), second, false),
            (Duration::from_mins(5), second * 25, false),
            (Duration::from_mins(5), second * 60, true),
        ] {
            let listing = Listing { started_at, took, ..Listing::begin() };
            assert_eq!(listing.is_good(max_age), expected, "{max_age:?} {took:?}");
        }
    }

    #[test]
    fn pairs_of_one_region_leave_out_what_is_the_same_in_all() {
        let mut listing = Listing::begin();
        let length = |listing: &Listing, name: &str| match &listing.pairs[&Digest::of(name)] {
            Packed::Text(text) => text.len(),
            Packed::Whole(_) => panic!("it is packed"),
        };
        let other = KeyPair { arn: "arn:aws:lightsail:us-east-1:1:KeyPair/1".into(), ..pair("b") };
        let tags = Tags::from_iter([(OWNER_TAG.to_owned(), Some("c/team-a/a".to_owned()))]);
        let tagged = KeyPair { tags, ..pair("a") };
        for pair in [&tagged, &other] {
            assert_eq!(listing.insert(pair, None), None);
            assert_eq!(listing.find(&pair.name).as_ref(), Some(pair));
        }
        let own = ["a", "1", "2026-11-24T12:00:00Z", "f", "c/team-a/a"].map(str::len);
        assert!(length(&listing, "a") <= own.iter().sum::<usize>() + 16);
        assert!(length(&listing, "b") >= other.arn.as_str().len());
        assert_eq!(listing.remove(&"a".into()), Some(tagged));
        assert_eq!(listing.remove(&"b".into()), Some(other.clone()));
        // Another beginning, now that nobody has the first one.
        assert_eq!(listing.insert(&other, None), None);
        assert!(length(&listing, "b") < other.arn.as_str().len());
    }

    #[test]
    fn pairs_are_found_by_the_namespace_in_their_owner_tag_after_each_change() {
        let owned = |name: &str, owner: &str| {
            let tags = Tags::from_iter([(OWNER_TAG.to_owned(), Some(owner.to_owned()))]);
            KeyPair { tags, ..pair(name) }
        };
        let mut listing = Listing::begin();
        for pair in [
            owned("a", "c/n/a"),
            owned("b", "c/n/b"),
            owned("c", "c/nn/c"),
            owned("d", "d/n/d"),
            owned("e", "c/n"),
            pair("f"),
        ] {
            listing.insert(&pair, None);
        }
        let check = |listing: &Listing, expected: &[&str]| {
            let found: HashSet<_> = listing.owned_in("c", "n").collect();
            assert_eq!(found, expected.iter().copied().map(Digest::of).collect(), "{expected:?}");
        };
        check(&listing, &["a", "b"]);
        listing.insert(&owned("a", "c/nn/a"), None);
        check(&listing, &["b"]);
        listing.insert(&owned("f", "c/n/f"), None);
        listing.remove(&"b".into());
        check(&listing, &["f"]);
        check(&listing.clone(), &["f"]);
    }

    #[test]
    fn what_is_as_it_was_is_in_memory_once() {
        let (mut before, mut after) = (Listing::begin(), Listing::begin());
        for name in ["a", "b"] {
            before.insert(&pair(name), None);
        }
        let changed = KeyPair { fingerprint: None, ..pair("b") };
        assert_eq!(after.insert(&pair("a"), Some(&before)), None);
        assert_eq!(after.insert(&changed, Some(&before)), None);
        let is_shared = |name: &str| {
            let name = Digest::of(name);
            let texts = [&before, &after].map(|list| match &list.pairs[&name] {
                Packed::Text(text) => Arc::clone(text),
                Packed::Whole(_) => panic!("it is packed"),
            });
            Arc::ptr_eq(&texts[0], &texts[1])
        };
        assert!(is_shared("a") && !is_shared("b"));
        assert_eq!(after.find(&"b".into()), Some(changed));
    }
}
