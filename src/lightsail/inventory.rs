//! One list of key pairs for each account, region and role, shared by all objects there.
//!
//! A list is walked by one task at a time; who asks meanwhile gets the same. What is read here may
//! trigger work. A list that is old never justifies a destructive call (I7): who needs to know asks
//! for a live one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::cached::Cached;
use super::client::Lightsail;
use super::types::{KeyPair, Result};
use crate::api::OWNER_TAG;
use crate::ids::{KeyPairName, Region, Scope};
use crate::metrics::Metrics;

/// A list that took long is good for so many times as long, so that where there are many pairs, or
/// where Lightsail throttles, no more than a twentieth of all requests goes into walking. Whatever
/// is decided by an older one is found out by the call that follows, or by a read of its own.
const WALKS_APART: u32 = 19;

/// All key pairs of one account in one region, the default pair included.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Boxed: a table has room for almost twice as many as there are.
    pairs: HashMap<KeyPairName, Box<KeyPair>>,
    managed: usize,
    pages: usize,
    started_at: Instant,
    took: Duration,
}

impl Listing {
    /// The pair of this name.
    #[must_use]
    pub fn find(&self, name: &KeyPairName) -> Option<&KeyPair> {
        self.pairs.get(name).map(Box::as_ref)
    }

    /// All of them.
    pub fn pairs(&self) -> impl Iterator<Item = &KeyPair> {
        self.pairs.values().map(Box::as_ref)
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

    /// When its walk started: it tells one walk from another.
    #[must_use]
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// In how many pages it came.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    fn is_good(&self, max_age: Duration) -> bool {
        self.started_at.elapsed() <= max_age.max(self.took * WALKS_APART)
    }
}

/// The lists of all accounts and regions.
#[derive(Debug)]
pub struct Inventory {
    /// Nobody is shown what another's rights have read.
    shelves: Mutex<HashMap<(Scope, Rights), Arc<Shelf>>>,
    /// What the owner tags of this cluster begin with.
    owner_prefix: String,
    metrics: Metrics,
}

/// Whose rights a list was read with.
type Rights = Arc<str>;

#[derive(Debug, Default)]
struct Shelf {
    /// Held while a list is walked.
    listing: tokio::sync::Mutex<Cached<Arc<Listing>>>,
    /// What became known meanwhile, to be put into the list by whoever has it next: nobody waits
    /// for a walk to say what he has done.
    corrections: Mutex<Vec<Correction>>,
}

/// What is known of the pair of a name: that it is like this, or that it is gone.
type Correction = (KeyPairName, Option<KeyPair>);

impl Shelf {
    fn take_corrections(&self) -> Vec<Correction> {
        std::mem::take(&mut *self.corrections.lock())
    }
}

impl Inventory {
    /// No list was read yet.
    #[must_use]
    pub fn new(cluster_id: &str, metrics: Metrics) -> Self {
        Self { shelves: Mutex::default(), owner_prefix: format!("{cluster_id}/"), metrics }
    }

    fn shelf(&self, region: &Lightsail) -> Arc<Shelf> {
        let key = (region.scope().clone(), Arc::clone(region.rights()));
        Arc::clone(self.shelves.lock().entry(key).or_default())
    }

    /// A list that is not older than that, or not much older than it takes to read one.
    ///
    /// # Errors
    /// As [`Lightsail::key_pairs`]; the old list is dropped then.
    pub async fn list(&self, region: &Lightsail, max_age: Duration) -> Result<Arc<Listing>> {
        self.get(region, |listing| listing.is_good(max_age)).await
    }

    /// Whether [`Self::list`] would answer at once.
    #[must_use]
    pub fn is_at_hand(&self, region: &Lightsail, max_age: Duration) -> bool {
        let place = self.shelf(region);
        let cached = place.listing.try_lock();
        cached.is_ok_and(|cached| cached.value().is_some_and(|listing| listing.is_good(max_age)))
    }

    /// A list whose walk starts now or later.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_live(&self, region: &Lightsail) -> Result<Arc<Listing>> {
        self.list_since(region, Instant::now()).await
    }

    /// A list whose walk started then or later.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_since(&self, region: &Lightsail, since: Instant) -> Result<Arc<Listing>> {
        self.get(region, |listing| listing.started_at >= since).await
    }

    async fn get(
        &self,
        region: &Lightsail,
        is_good: impl Fn(&Listing) -> bool,
    ) -> Result<Arc<Listing>> {
        let place = self.shelf(region);
        let mut cached = place.listing.lock().await;
        self.catch_up(region.scope(), &place, &mut cached);
        if let Some(outcome) = cached.find(|listing| is_good(listing)) {
            return outcome;
        }
        let started_at = Instant::now();
        // All namespaces have a share in it.
        let pairs = region.for_all().key_pairs().await;
        let listing = pairs.map(|(pairs, pages)| {
            let pairs = pairs.into_iter().map(|pair| (pair.name.clone(), Box::new(pair)));
            let pairs: HashMap<_, _> = pairs.collect();
            let managed = pairs.values().filter(|pair| self.is_managed(pair)).count();
            let took = started_at.elapsed();
            let mut listing = Listing { pairs, managed, pages, started_at, took };
            self.put_in(&mut listing, place.take_corrections());
            self.count(region.scope(), &listing);
            Arc::new(listing)
        });
        cached.put(listing)
    }

    /// Puts into the list what is known to be true now, after a change or a read of one's own; if
    /// it is being walked, into what comes of that.
    pub fn correct(&self, region: &Lightsail, name: &KeyPairName, pair: Option<&KeyPair>) {
        let place = self.shelf(region);
        place.corrections.lock().push((name.clone(), pair.cloned()));
        if let Ok(mut cached) = place.listing.try_lock() {
            self.catch_up(region.scope(), &place, &mut cached);
        }
    }

    /// Puts into a list what became known since.
    fn catch_up(&self, scope: &Scope, place: &Shelf, cached: &mut Cached<Arc<Listing>>) {
        let corrections = place.take_corrections();
        if let Some(listing) = cached.value_mut().filter(|_| !corrections.is_empty()) {
            let listing = Arc::make_mut(listing);
            self.put_in(listing, corrections);
            self.count(scope, listing);
        }
    }

    fn put_in(&self, listing: &mut Listing, corrections: Vec<Correction>) {
        for (name, pair) in corrections {
            let is_managed = pair.as_ref().is_some_and(|pair| self.is_managed(pair));
            listing.managed += usize::from(is_managed);
            let before = match pair {
                Some(pair) => listing.pairs.insert(name, Box::new(pair)),
                None => listing.pairs.remove(&name),
            };
            listing.managed -= usize::from(before.is_some_and(|pair| self.is_managed(&pair)));
        }
    }

    /// Forgets the lists of a region.
    pub fn forget_region(&self, region: &Region) {
        self.shelves.lock().retain(|(scope, _), _| scope.region != *region);
    }

    fn is_managed(&self, pair: &KeyPair) -> bool {
        let owner = pair.tags.get(OWNER_TAG).and_then(Option::as_ref);
        owner.is_some_and(|owner| owner.starts_with(&self.owner_prefix))
    }

    fn count(&self, scope: &Scope, listing: &Listing) {
        let unmanaged = listing.pairs.len() - listing.managed;
        self.metrics.set_inventory(scope, listing.started_at, listing.managed, unmanaged);
    }
}
