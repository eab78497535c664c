//! One list of key pairs for each account and region, shared by all objects there.
//!
//! A list is walked by one task at a time; who asks meanwhile gets the same. What is read here may
//! trigger work. A list that is old never justifies a destructive call (I7): who needs to know asks
//! for a live one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{ERROR_HOLDS, Error, KeyPair, Lightsail, Result, Scope};
use crate::api::OWNER_TAG;
use crate::metrics::Metrics;

/// A list that took long is good for so many times as long, so that where there are many pairs, or
/// where Lightsail throttles, no more than a twentieth of all requests goes into walking. Whatever
/// is decided by an older one is found out by the call that follows, or by a look of its own.
const WALKS_APART: u32 = 19;

/// All key pairs of one account in one region, the default pair included.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Boxed: a table has room for almost twice as many as there are.
    pairs: HashMap<String, Box<KeyPair>>,
    managed: usize,
    started_at: Instant,
    took: Duration,
}

impl Listing {
    /// The pair of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&KeyPair> {
        self.pairs.get(name).map(Box::as_ref)
    }

    fn is_good(&self, max_age: Duration) -> bool {
        self.started_at.elapsed() <= max_age.max(self.took * WALKS_APART)
    }
}

/// The lists of all accounts and regions.
#[derive(Debug)]
pub struct Inventory {
    shelves: Mutex<HashMap<Scope, Arc<Shelf>>>,
    /// What the owner tags of this cluster begin with.
    owner_prefix: String,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Held while a list is walked.
    content: tokio::sync::Mutex<Shelved>,
    /// What became known meanwhile, to be put into the list by whoever has it next: nobody waits
    /// for a walk to say what he has done.
    corrections: Mutex<Vec<(String, Option<KeyPair>)>>,
}

impl Shelf {
    fn corrections(&self) -> MutexGuard<'_, Vec<(String, Option<KeyPair>)>> {
        self.corrections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_corrections(&self) -> Vec<(String, Option<KeyPair>)> {
        std::mem::take(&mut *self.corrections())
    }
}

#[derive(Debug, Default)]
struct Shelved {
    listing: Option<Arc<Listing>>,
    error: Option<(Instant, Error)>,
}

impl Inventory {
    /// No list was read yet.
    #[must_use]
    pub fn new(cluster_id: &str, metrics: Metrics) -> Self {
        Self { shelves: Mutex::default(), owner_prefix: format!("{cluster_id}/"), metrics }
    }

    fn shelf(&self, scope: &Scope) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shelves.entry(scope.clone()).or_default())
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
    pub fn is_at_hand(&self, scope: &Scope, max_age: Duration) -> bool {
        let place = self.shelf(scope);
        let content = place.content.try_lock();
        content.is_ok_and(|content| {
            content.listing.as_ref().is_some_and(|listing| listing.is_good(max_age))
        })
    }

    /// A list whose walk starts now or later.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_live(&self, region: &Lightsail) -> Result<Arc<Listing>> {
        let now = Instant::now();
        self.get(region, |listing| listing.started_at >= now).await
    }

    async fn get(
        &self,
        region: &Lightsail,
        is_good: impl Fn(&Listing) -> bool,
    ) -> Result<Arc<Listing>> {
        let place = self.shelf(region.scope());
        let mut content = place.content.lock().await;
        self.catch_up(region.scope(), &place, &mut content);
        if let Some(listing) = content.listing.as_ref().filter(|listing| is_good(listing)) {
            return Ok(Arc::clone(listing));
        }
        if let Some((_, error)) =
            content.error.as_ref().filter(|(at, _)| at.elapsed() < ERROR_HOLDS)
        {
            return Err(error.clone());
        }
        let started_at = Instant::now();
        match region.key_pairs().await {
            Ok(pairs) => {
                let pairs: HashMap<_, _> =
                    pairs.into_iter().map(|pair| (pair.name.clone(), Box::new(pair))).collect();
                let managed = pairs.values().filter(|pair| self.is_managed(pair)).count();
                let mut listing =
                    Listing { pairs, managed, started_at, took: started_at.elapsed() };
                self.put_in(&mut listing, place.take_corrections());
                self.tell(region.scope(), &listing);
                let listing = Arc::new(listing);
                *content = Shelved { listing: Some(Arc::clone(&listing)), error: None };
                Ok(listing)
            }
            Err(error) => {
                *content = Shelved { listing: None, error: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    /// Puts into the list what is known to be true now, after a change or a look of one's own; if
    /// it is being walked, into what comes of that.
    pub fn correct(&self, scope: &Scope, name: &str, pair: Option<&KeyPair>) {
        let place = self.shelf(scope);
        place.corrections().push((name.to_owned(), pair.cloned()));
        if let Ok(mut content) = place.content.try_lock() {
            self.catch_up(scope, &place, &mut content);
        }
    }

    /// Puts into a list what became known since.
    fn catch_up(&self, scope: &Scope, place: &Shelf, content: &mut Shelved) {
        let corrections = place.take_corrections();
        if let Some(listing) = content.listing.as_mut().filter(|_| !corrections.is_empty()) {
            let listing = Arc::make_mut(listing);
            self.put_in(listing, corrections);
            self.tell(scope, listing);
        }
    }

    fn put_in(&self, listing: &mut Listing, corrections: Vec<(String, Option<KeyPair>)>) {
        for (name, pair) in corrections {
            listing.managed += usize::from(pair.as_ref().is_some_and(|pair| self.is_managed(pair)));
            let before = match pair {
                Some(pair) => listing.pairs.insert(name, Box::new(pair)),
                None => listing.pairs.remove(&name),
            };
            listing.managed -= usize::from(before.is_some_and(|pair| self.is_managed(&pair)));
        }
    }

    fn is_managed(&self, pair: &KeyPair) -> bool {
        let owner = pair.tags.get(OWNER_TAG).and_then(Option::as_ref);
        owner.is_some_and(|owner| owner.starts_with(&self.owner_prefix))
    }

    fn tell(&self, scope: &Scope, listing: &Listing) {
        let unmanaged = listing.pairs.len() - listing.managed;
        self.metrics.set_inventory(scope, listing.started_at, listing.managed, unmanaged);
    }
}
