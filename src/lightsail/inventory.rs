//! One list of key pairs for each account, region and role, shared by all objects there.
//!
//! One task at a time reads a list, and everybody who asks meanwhile gets the same one. The task is
//! nobody's: whoever waits for the list may give up, and the list is read all the same. A list may
//! start work. An old list never justifies a destructive call (I7): a caller that must be sure asks
//! for a live read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::cached::Cached;
use super::client::Lightsail;
use super::listing::Listing;
use super::types::{KeyPair, Result};
use crate::api::OWNER_TAG;
use crate::clock::Moment;
use crate::ids::{KeyPairName, Region, Scope};
use crate::metrics::Metrics;
use crate::outage::{News, Spoken};

/// Which list will do.
#[derive(Clone, Copy, Debug)]
pub struct ListNeeds {
    /// One that is not older than that, or not much older than it takes to read one.
    pub max_age: Duration,
    /// One whose walk started then or later, however young an earlier one is.
    pub since: Option<Moment>,
    /// If it has to be read, it is not waited for beyond this many pages.
    pub most_pages: usize,
}

impl ListNeeds {
    /// As these, to count pairs with a list that is no older than this, and does not start before
    /// that time.
    #[must_use]
    pub fn to_count(self, max_age: Duration, since: Option<Moment>) -> Self {
        Self { max_age: self.max_age.min(max_age), since: self.since.max(since), ..self }
    }
}

/// The lists of all accounts and regions.
#[derive(Debug)]
pub struct Inventory {
    /// A caller never gets what other rights have read.
    cache: Mutex<Cache>,
    /// What the owner tags of this cluster begin with.
    owner_prefix: String,
    metrics: Metrics,
}

/// Whose rights a list was read with.
type Rights = Arc<str>;

/// A list that nobody asked for in this time is forgotten: no object may have such rights any more.
const UNUSED: Duration = Duration::from_hours(2);

/// The lists, each with the time of its last use.
#[derive(Debug, Default)]
struct Cache(HashMap<(Scope, Rights), (Instant, Arc<CacheEntry>)>);

impl Cache {
    /// The list of an account and region with these rights. A new one takes the place of those that
    /// nobody uses.
    fn at(&mut self, key: (Scope, Rights), now: Instant) -> Arc<CacheEntry> {
        if let Some((used_at, entry)) = self.0.get_mut(&key) {
            *used_at = now;
            return Arc::clone(entry);
        }
        self.0.retain(|_, (used_at, _)| now.saturating_duration_since(*used_at) < UNUSED);
        Arc::clone(&self.0.entry(key).or_insert_with(|| (now, Arc::default())).1)
    }

    /// Forgets lists, and reads none of them to its end.
    fn forget(&mut self, is_forgotten: impl Fn(&Scope) -> bool) {
        for (_, (_, entry)) in self.0.extract_if(|(scope, _), _| is_forgotten(scope)) {
            if let Some(walk) = entry.abort.lock().take() {
                walk.abort();
            }
        }
    }

    /// Whether this is the list there still, and was not forgotten.
    fn has(&self, key: &(Scope, Rights), entry: &Arc<CacheEntry>) -> bool {
        self.0.get(key).is_some_and(|(_, own)| Arc::ptr_eq(own, entry))
    }
}

/// Where the list of an account and region with these rights is.
fn key(region: &Lightsail) -> (Scope, Rights) {
    (region.scope().clone(), Arc::clone(region.rights()))
}

#[derive(Debug, Default)]
struct CacheEntry {
    /// Held while a list is being read. Whoever needs only the last one does not wait for it.
    walk: Arc<tokio::sync::Mutex<()>>,
    /// How many pages were read of the list that is being read, or of the last one if it failed.
    pages: watch::Sender<usize>,
    /// Ends the read of a list.
    abort: Mutex<Option<AbortHandle>>,
    cached: Mutex<CachedListing>,
}

/// The last list, which has all changes since, and those that the next one may lack.
#[derive(Debug, Default)]
struct CachedListing {
    listing: Cached<Arc<Listing>>,
    /// Changes since the read of a list began that is still being read.
    corrections: Vec<Correction>,
    /// What the log says of pairs that are left out.
    complained: Spoken,
}

/// What is known of the pair of a name: its state, or that it is gone.
type Correction = (KeyPairName, Option<KeyPair>);

impl CacheEntry {
    /// A list is read from now on. Returns the last one.
    fn begin(&self) -> Option<Arc<Listing>> {
        let mut cached = self.cached.lock();
        // Those of a read that was given up.
        cached.corrections.clear();
        self.pages.send_replace(0);
        cached.listing.value().cloned()
    }
}

impl Inventory {
    /// No list was read yet.
    #[must_use]
    pub fn new(cluster_id: &str, metrics: Metrics) -> Self {
        Self { cache: Mutex::default(), owner_prefix: format!("{cluster_id}/"), metrics }
    }

    fn entry(&self, region: &Lightsail) -> Arc<CacheEntry> {
        self.cache.lock().at(key(region), Instant::now())
    }

    /// A list that will do. `None` as soon as a read shows that it has too many pages. A read that
    /// has begun goes on. None begins if the last one failed after this many pages.
    ///
    /// # Errors
    /// As [`Lightsail::key_pairs`]; the old list is dropped then.
    pub async fn list_within(
        self: &Arc<Self>,
        region: &Lightsail,
        needs: ListNeeds,
    ) -> Result<Option<Arc<Listing>>> {
        let ListNeeds { max_age, since, most_pages } = needs;
        let is_good = |listing: &Listing| {
            listing.is_good(max_age) && since.is_none_or(|since| listing.started_at() >= since)
        };
        let list = self.get(region, is_good);
        if self.has(region, is_good) {
            return list.await.map(Some);
        }
        let mut pages = self.entry(region).pages.subscribe();
        // Also if the list failed after this many.
        tokio::select! {
            biased;
            Ok(_) = pages.wait_for(|pages| *pages > most_pages) => Ok(None),
            list = list => list.map(Some),
        }
    }

    /// From when on a list may be read that starts at this time or later. `None`: it is there, or
    /// may be read now.
    #[must_use]
    pub fn may_be_read_since(&self, region: &Lightsail, since: Moment) -> Option<Moment> {
        let entry = self.entry(region);
        let cached = entry.cached.lock();
        let last = cached.listing.value().filter(|listing| listing.started_at() < since)?;
        Some(last.may_follow()).filter(|at| *at > Moment::now())
    }

    /// How many pages a list has, as far as is known.
    #[must_use]
    pub fn pages(&self, region: &Lightsail) -> usize {
        let entry = self.entry(region);
        let last = entry.cached.lock().listing.value().map_or(0, |listing| listing.pages());
        last.max(*entry.pages.borrow())
    }

    /// Whether [`Self::list_within`] would answer immediately.
    #[must_use]
    pub fn is_at_hand(&self, region: &Lightsail, max_age: Duration) -> bool {
        self.has(region, |listing| listing.is_good(max_age))
    }

    fn has(&self, region: &Lightsail, is_good: impl Fn(&Listing) -> bool) -> bool {
        let entry = self.entry(region);
        let cached = entry.cached.lock();
        cached.listing.value().is_some_and(|listing| is_good(listing))
    }

    /// A list that is read from now on.
    ///
    /// # Errors
    /// As [`Self::list_within`].
    pub async fn list_live(self: &Arc<Self>, region: &Lightsail) -> Result<Arc<Listing>> {
        let now = Moment::now();
        self.get(region, |listing| listing.started_at() >= now).await
    }

    async fn get(
        self: &Arc<Self>,
        region: &Lightsail,
        is_good: impl Fn(&Listing) -> bool,
    ) -> Result<Arc<Listing>> {
        loop {
            // A region that was forgotten has another one.
            let entry = self.entry(region);
            let find = || entry.cached.lock().listing.find(|listing| is_good(listing));
            if let Some(outcome) = find() {
                return outcome;
            }
            let guard = Arc::clone(&entry.walk).lock_owned().await;
            // Somebody may have read one meanwhile.
            if let Some(outcome) = find() {
                return outcome;
            }
            // All namespaces share it.
            let walk = Arc::clone(self).walk(region.for_all(), Arc::clone(&entry), guard);
            let Some(walk) = self.begin(region, &entry, walk) else { continue };
            match walk.await {
                Ok(list) => return list,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The region was forgotten, but this object is still there.
                Err(_) => {}
            }
        }
    }

    /// Begins to read a list, unless the region was forgotten meanwhile: whoever forgets it ends
    /// this read, and no earlier one.
    fn begin(
        &self,
        region: &Lightsail,
        entry: &Arc<CacheEntry>,
        walk: impl Future<Output = Result<Arc<Listing>>> + Send + 'static,
    ) -> Option<JoinHandle<Result<Arc<Listing>>>> {
        let cache = self.cache.lock();
        if !cache.has(&key(region), entry) {
            return None;
        }
        let mut abort = entry.abort.lock();
        let walk = tokio::spawn(walk);
        *abort = Some(walk.abort_handle());
        Some(walk)
    }

    /// Reads a list, while this holds the lock for it.
    async fn walk(
        self: Arc<Self>,
        region: Lightsail,
        entry: Arc<CacheEntry>,
        _guard: OwnedMutexGuard<()>,
    ) -> Result<Arc<Listing>> {
        let _series = Series { inventory: &self, region: &region.scope().region };
        let (begun, before) = (Instant::now(), entry.begin());
        let mut listing = Listing::begin();
        // A pair without a usable ARN is left out, so that it spoils the list for no other. Whoever
        // wants that pair reads it alone, which says what is missing.
        let take = |page: usize, pair: Result<KeyPair>| {
            entry.pages.send_if_modified(|pages| std::mem::replace(pages, page) != page);
            match pair {
                Ok(pair) => self.insert(&mut listing, &pair, before.as_deref()),
                Err(_) => listing.unusable += 1,
            }
        };
        let pages = region.each_key_pair(take).await;
        // The handle keeps the memory of this task, which is the largest thing here.
        entry.abort.lock().take();
        let mut cached = entry.cached.lock();
        let corrections = std::mem::take(&mut cached.corrections);
        let listing = pages.map(|pages| {
            listing.end(pages);
            self.put_in(&mut listing, &corrections);
            self.count(&region, &entry, &listing);
            complain(&region, &mut cached.complained, listing.unusable);
            Arc::new(listing)
        });
        if listing.is_ok() {
            entry.pages.send_replace(0);
        } else {
            // This many pages are known.
            self.count_failure(&region, &entry);
        }
        cached.listing.put(listing, begun.elapsed())
    }

    /// Puts into the list what the caller knows after its own change or read. If a read of the list
    /// is running, the change goes into its result.
    pub fn correct(&self, region: &Lightsail, name: &KeyPairName, pair: Option<&KeyPair>) {
        let entry = self.entry(region);
        let mut cached = entry.cached.lock();
        let correction = (name.clone(), pair.cloned());
        if let Some(listing) = cached.listing.value_mut() {
            let listing = Arc::make_mut(listing);
            self.put_in(listing, std::slice::from_ref(&correction));
            self.count(region, &entry, listing);
        }
        if entry.walk.try_lock().is_err() {
            cached.corrections.push(correction);
        }
    }

    fn put_in(&self, listing: &mut Listing, corrections: &[Correction]) {
        for (name, pair) in corrections {
            if let Some(pair) = pair {
                self.insert(listing, pair, None);
            } else {
                let removed = listing.remove(name);
                listing.managed -= self.managed(removed.as_ref());
            }
        }
    }

    fn insert(&self, listing: &mut Listing, pair: &KeyPair, before: Option<&Listing>) {
        let replaced = listing.insert(pair, before);
        listing.managed += self.managed(Some(pair));
        listing.managed -= self.managed(replaced.as_ref());
    }

    /// Forgets the lists of a region, and reads none of them to its end.
    pub fn forget_region(&self, region: &Region) {
        self.cache.lock().forget(|scope| scope.region == *region);
    }

    /// Forgets the lists of an account in a region, and what was counted of them.
    pub fn forget_scope(&self, scope: &Scope) {
        let mut cache = self.cache.lock();
        cache.forget(|other| other == scope);
        self.metrics.forget_inventory(scope);
    }

    /// Drops the series of a region that was forgotten.
    fn drop_series(&self, region: &Region) {
        let cache = self.cache.lock();
        if !cache.0.keys().any(|(scope, _)| scope.region == *region) {
            self.metrics.forget_region(region.as_str());
        }
    }

    /// How many of these pairs (one or none) this cluster manages.
    fn managed(&self, pair: Option<&KeyPair>) -> usize {
        let owner = pair.and_then(|pair| pair.tags.get(OWNER_TAG)).and_then(Option::as_ref);
        usize::from(owner.is_some_and(|owner| owner.starts_with(&self.owner_prefix)))
    }

    /// Counts the pairs of a list. If the list was forgotten while it was read, nobody would take
    /// the count away any more.
    fn count(&self, region: &Lightsail, entry: &Arc<CacheEntry>, listing: &Listing) {
        let cache = self.cache.lock();
        if cache.has(&key(region), entry) {
            let unmanaged = listing.len() - listing.managed;
            let (scope, read_at) = (region.scope(), listing.started_at());
            self.metrics.set_inventory(scope, read_at, listing.managed, unmanaged);
        }
    }

    /// Counts a list that could not be read, unless it was forgotten meanwhile.
    fn count_failure(&self, region: &Lightsail, entry: &Arc<CacheEntry>) {
        let cache = self.cache.lock();
        if cache.has(&key(region), entry) {
            self.metrics.inventory_failed(region.scope());
        }
    }
}

/// Says in the log that a list has entries that cannot be used, once until it has none.
fn complain(region: &Lightsail, complained: &mut Spoken, unusable: usize) {
    if let Some(News::Begins) = complained.note(unusable > 0, Instant::now()) {
        let Scope { account, region } = region.scope();
        tracing::warn!(
            account = account.as_str(),
            region = region.as_str(),
            count = unusable,
            "Lightsail lists key pairs without a name or an ARN; the operator ignores them"
        );
    }
}

/// A read that is ended may be in the middle of a step, and count a request after its region was
/// forgotten. So it drops the series of the region, if need be, when it is over.
struct Series<'a> {
    inventory: &'a Inventory,
    region: &'a Region,
}

impl Drop for Series<'_> {
    fn drop(&mut self) {
        self.inventory.drop_series(self.region);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_is_over_leaves_no_series_of_a_region_that_was_forgotten() {
        let (metrics, region) = (Metrics::default(), Region::from("eu-west-1"));
        let inventory = Inventory::new("cluster", metrics.clone());
        let key = (Scope { account: "1".into(), region: region.clone() }, Rights::from("a"));
        for is_forgotten in [false, true] {
            inventory.cache.lock().at(key.clone(), Instant::now());
            let series = Series { inventory: &inventory, region: &region };
            if is_forgotten {
                inventory.forget_region(&region);
            }
            metrics.lightsail_request("GetKeyPairs", "eu-west-1", "OK", Duration::ZERO);
            drop(series);
            let line = "region=\"eu-west-1\"";
            assert_eq!(metrics.encode().contains(line), !is_forgotten);
        }
    }

    #[test]
    fn the_age_of_a_list_is_that_of_the_youngest() {
        let (metrics, now) = (Metrics::default(), Moment::now());
        let scope = Scope { account: "1".into(), region: "eu-west-1".into() };
        let still_to_come = now + Duration::from_mins(10);
        for read_at in [now, still_to_come, now] {
            metrics.set_inventory(&scope, read_at, 0, 0);
        }
        let text = metrics.encode();
        let age = text.lines().find(|line| line.starts_with("lightsail_operator_inventory_age"));
        assert!(age.is_some_and(|line| line.ends_with(" 0.0")), "{age:?}");
    }

    #[test]
    fn lists_that_nobody_uses_make_room_for_others() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let key = |rights: &str| {
            let scope = Scope { account: "1".into(), region: "eu-west-1".into() };
            (scope, Rights::from(rights))
        };
        let first = cache.at(key("a"), start);
        cache.at(key("b"), start);
        let later = start + UNUSED / 2;
        assert!(Arc::ptr_eq(&first, &cache.at(key("a"), later)));
        cache.at(key("c"), start + UNUSED);
        assert!(Arc::ptr_eq(&first, &cache.at(key("a"), start + UNUSED)), "it was used since");
        assert!(!cache.0.contains_key(&key("b")));
    }
}
