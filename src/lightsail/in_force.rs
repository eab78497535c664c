//! The credentials that clients use now.

use std::collections::HashSet;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ids::Region;

/// Credentials that are renewed while clients use them. Each of them was verified to belong to the
/// account.
///
/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    credentials: Arc<Mutex<Credentials>>,
    /// The regions that accepted them.
    taken_in: Arc<Mutex<HashSet<Region>>>,
    /// Whether AWS refused them although they had not expired.
    refused: Arc<Notify>,
}

impl InForce {
    pub(super) fn new(credentials: Credentials, refused: Arc<Notify>) -> Self {
        let credentials = Arc::new(Mutex::new(credentials));
        Self { credentials, taken_in: Arc::default(), refused }
    }

    pub(super) fn get(&self) -> Credentials {
        self.credentials.lock().clone()
    }

    pub(super) fn replace(&self, credentials: Credentials) {
        *self.credentials.lock() = credentials;
        self.taken_in.lock().clear();
    }
}

impl InForce {
    /// A region accepted them.
    pub(super) fn note_taken(&self, region: &Region) {
        let mut regions = self.taken_in.lock();
        if !regions.contains(region) {
            regions.insert(region.clone());
        }
    }

    /// A region refused them. If others accept them and this one never did, the region is the
    /// cause: it is not enabled, or in another partition.
    pub(super) fn note_refused(&self, region: &Region) {
        if self.are_refused(region) {
            self.refused.notify_one();
        }
    }

    /// As [`Self::note_refused`], for a caller who replaces them. Whether they are the cause.
    pub(super) fn are_refused(&self, region: &Region) -> bool {
        let mut regions = self.taken_in.lock();
        let are_the_cause = regions.is_empty() || regions.contains(region);
        if are_the_cause {
            // Earlier acceptance by other regions no longer counts.
            regions.clear();
        }
        are_the_cause
    }

    /// No object names the region any more. The last one is kept: that they were accepted anywhere
    /// counts.
    pub(super) fn forget_region(&self, region: &Region) {
        let mut regions = self.taken_in.lock();
        if regions.len() > 1 && regions.remove(region) && regions.capacity() > regions.len() * 4 {
            regions.shrink_to_fit();
        }
    }

    /// Others who use them were refused.
    pub(super) fn forget_taken(&self) {
        self.taken_in.lock().clear();
    }

    /// Whether a region accepted them since they arrived, or since the last refusal.
    pub(super) fn are_taken(&self) -> bool {
        !self.taken_in.lock().is_empty()
    }
}

impl ProvideCredentials for InForce {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i14_nothing_is_kept_of_regions_that_no_object_names() {
        let own =
            InForce::new(Credentials::new("key", "secret", None, None, "test"), Arc::default());
        let all: Vec<Region> = (0..1_000).map(|it| format!("xx-north-{it}").into()).collect();
        for region in &all {
            own.note_taken(region);
        }
        for region in &all {
            own.forget_region(region);
        }
        assert_eq!(own.taken_in.lock().len(), 1);
        assert!(own.taken_in.lock().capacity() < 10);
        assert!(own.are_taken(), "they were accepted, wherever that was");
        assert!(!own.are_refused(&"eu-west-1".into()), "it may be the region's fault");
    }
}
