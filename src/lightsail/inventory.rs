//! One list of key pairs for each account and region, shared by all objects there.
//!
//! A list is walked by one task at a time; who asks meanwhile gets the same. What is read here may trigger work. A list that is
//! old never justifies a destructive call (I7): who needs to know asks for one that starts now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{ERROR_HOLDS, Error, KeyPair, Lightsail, Result, Scope};

/// All key pairs of one account in one region, the default pair included.
#[derive(Clone, Debug)]
pub struct Listing {
    pairs: HashMap<String, KeyPair>,
    started_at: Instant,
}

impl Listing {
    /// The pair of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&KeyPair> {
        self.pairs.get(name)
    }
}

/// The lists of all accounts and regions.
#[derive(Debug, Default)]
pub struct Inventory {
    shelves: Mutex<HashMap<Scope, Arc<Shelf>>>,
}

#[derive(Debug, Default)]
struct Shelf(tokio::sync::Mutex<Shelved>);

#[derive(Debug, Default)]
struct Shelved {
    listing: Option<Arc<Listing>>,
    error: Option<(Instant, Error)>,
}

impl Inventory {
    fn shelf(&self, scope: &Scope) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shelves.entry(scope.clone()).or_default())
    }

    /// A list whose walk started at `since` or later. With `Instant::now()` it is a live read.
    ///
    /// # Errors
    /// As [`Lightsail::key_pairs`]; the old list is dropped then.
    pub async fn list(&self, region: &Lightsail, since: Instant) -> Result<Arc<Listing>> {
        let list = self.shelf(region.scope());
        let mut content = list.0.lock().await;
        if let Some(listing) = content.listing.as_ref().filter(|listing| listing.started_at >= since) {
            return Ok(Arc::clone(listing));
        }
        if let Some((_, error)) = content.error.as_ref().filter(|(at, _)| at.elapsed() < ERROR_HOLDS) {
            return Err(error.clone());
        }
        let started_at = Instant::now();
        match region.key_pairs().await {
            Ok(pairs) => {
                let pairs = pairs.into_iter().map(|pair| (pair.name.clone(), pair)).collect();
                let listing = Arc::new(Listing { pairs, started_at });
                *content = Shelved { listing: Some(Arc::clone(&listing)), error: None };
                Ok(listing)
            }
            Err(error) => {
                *content = Shelved { listing: None, error: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    /// Puts into the list what is known to be true now, after a change or a look of one's own.
    pub async fn correct(&self, scope: &Scope, name: &str, pair: Option<&KeyPair>) {
        let list = self.shelf(scope);
        let mut content = list.0.lock().await;
        let Some(listing) = content.listing.as_mut() else { return };
        let listing = Arc::make_mut(listing);
        match pair {
            Some(pair) => drop(listing.pairs.insert(name.to_owned(), pair.clone())),
            None => drop(listing.pairs.remove(name)),
        }
    }
}
