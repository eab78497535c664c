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
pub(super) struct CurrentCredentials {
    credentials: Arc<Mutex<Credentials>>,
    accepted: Arc<Mutex<Accepted>>,
    /// Whether AWS refused them although they had not expired.
    refused: Arc<Notify>,
}

/// Who accepted them since they arrived, or since the last refusal.
#[derive(Debug, Default)]
struct Accepted {
    /// The regions that objects name.
    regions: HashSet<Region>,
    /// A region that no object names any more.
    elsewhere: bool,
}

impl CurrentCredentials {
    pub(super) fn new(credentials: Credentials, refused: Arc<Notify>) -> Self {
        let credentials = Arc::new(Mutex::new(credentials));
        Self { credentials, accepted: Arc::default(), refused }
    }

    pub(super) fn get(&self) -> Credentials {
        self.credentials.lock().clone()
    }

    pub(super) fn replace(&self, credentials: Credentials) {
        *self.credentials.lock() = credentials;
        self.forget_accepted();
    }
}

impl CurrentCredentials {
    /// A region accepted them.
    pub(super) fn note_accepted(&self, region: &Region) {
        let regions = &mut self.accepted.lock().regions;
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
        let mut accepted = self.accepted.lock();
        let are_the_cause = accepted.regions.is_empty() || accepted.regions.contains(region);
        if are_the_cause {
            // Earlier acceptance by other regions no longer counts.
            *accepted = Accepted::default();
        }
        are_the_cause
    }

    /// No object names the region any more: nothing may ever call it again and correct it.
    pub(super) fn forget_region(&self, region: &Region) {
        let Accepted { regions, elsewhere } = &mut *self.accepted.lock();
        if regions.remove(region) {
            *elsewhere = true;
            if regions.capacity() > regions.len() * 4 {
                regions.shrink_to_fit();
            }
        }
    }

    /// Others who use them were refused.
    pub(super) fn forget_accepted(&self) {
        *self.accepted.lock() = Accepted::default();
    }

    /// Whether a region accepted them since they arrived, or since the last refusal.
    pub(super) fn are_accepted(&self) -> bool {
        let accepted = self.accepted.lock();
        accepted.elsewhere || !accepted.regions.is_empty()
    }
}

impl ProvideCredentials for CurrentCredentials {
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
        let own = CurrentCredentials::new(
            Credentials::new("key", "secret", None, None, "test"),
            Arc::default(),
        );
        let all: Vec<Region> = (0..1_000).map(|it| format!("xx-north-{it}").into()).collect();
        for region in &all {
            own.note_accepted(region);
        }
        for region in &all {
            own.forget_region(region);
        }
        assert_eq!(own.accepted.lock().regions.capacity(), 0);
        assert!(own.are_accepted(), "they were accepted, wherever that was");
    }

    /// Whether that region would still accept them, nobody will learn.
    #[test]
    fn a_region_that_no_object_names_keeps_no_credentials_from_being_renewed() {
        let own = CurrentCredentials::new(
            Credentials::new("key", "secret", None, None, "test"),
            Arc::default(),
        );
        let [here, gone, wrong] = ["eu-west-1", "us-east-1", "xx-north-1"].map(Region::from);
        own.note_accepted(&here);
        own.note_accepted(&gone);
        own.forget_region(&gone);
        assert!(!own.are_refused(&wrong), "it may be the region's fault");
        own.forget_region(&here);
        assert!(own.are_refused(&here), "the key was replaced meanwhile");
        assert!(!own.are_accepted());
    }
}
