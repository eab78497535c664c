//! Which regions may be called. A region's name is whatever a user wrote, and each one costs a
//! client, connections, a list and time series of metrics.
//!
//! A region that has ever answered is open to everybody. Of regions that never answered, each
//! namespace may try a limited number, and so may all namespaces together: Lightsail does not have
//! more. If all places are taken, a namespace with few of them takes one from the namespace with
//! the most.
//!
//! Whether a region exists does not depend on the account, so the places do not either.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::Error;
use super::types::Result;
use crate::ids::Region;
use crate::readiness::Extent;

/// How many regions that never answered one namespace may try. Lightsail has fewer:
/// <https://docs.aws.amazon.com/general/latest/gr/lightsail.html>.
const MOST_OF_NAMESPACE: usize = 32;
/// How many regions that never answered are tried in all.
const MOST: usize = 64;

/// Which regions may be called.
#[derive(Debug, Default)]
pub struct Regions {
    /// All, if it is empty.
    allowed: Vec<String>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answered: HashSet<Region>,
    /// Regions that never answered, each with the namespace that it is tried for; the oldest first.
    tried: Vec<(Region, Arc<str>)>,
    /// Regions that were tried until another took their place, and of which something may be kept.
    displaced: HashSet<Region>,
    /// Who names a region.
    users: HashMap<Region, HashSet<User>>,
}

/// The objects of a kind that use an account, in a namespace.
type User = (String, Arc<str>);

impl Regions {
    /// Only these may be called, unless the list is empty.
    #[must_use]
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed, known: Mutex::default() }
    }

    /// Admits a call to a region for an object of this namespace.
    ///
    /// # Errors
    /// The region is not allowed.
    pub(super) fn admit(&self, region: &Region, namespace: &Arc<str>) -> Result<()> {
        if !self.allows(region.as_str()) {
            return Err(Error::region_not_allowed(region, &self.allowed));
        }
        self.known.lock().admit(region, namespace)
    }

    fn allows(&self, region: &str) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|one| one == region)
    }

    /// The first of these regions that may be called, or the first one if none may.
    pub(super) fn first_allowed(&self, wanted: &[String]) -> Region {
        let allowed = wanted.iter().find(|region| self.allows(region));
        Region::from(allowed.or(wanted.first()).map_or("", String::as_str))
    }

    /// Where calls to a region fail, as far as is known.
    #[must_use]
    pub fn extent<'a>(&self, region: &'a Region) -> Extent<'a> {
        if self.known.lock().answered.contains(region) {
            Extent::Region(region)
        } else {
            Extent::UnknownRegion(region)
        }
    }

    /// A region has answered, now or at any time before.
    pub fn note_answer(&self, region: &Region) {
        let mut known = self.known.lock();
        known.displaced.remove(region);
        if known.answered.insert(region.clone()) {
            known.tried.retain(|(tried, _)| tried != region);
        }
    }

    /// Objects in this namespace name the region. `user` is their kind and the account that they
    /// use.
    pub fn enter(&self, region: &Region, user: &str, namespace: &Arc<str>) {
        let user = (user.to_owned(), Arc::clone(namespace));
        self.known.lock().users.entry(region.clone()).or_default().insert(user);
    }

    /// None of these objects names the region any more.
    pub fn leave(&self, region: &Region, user: &str, namespace: &Arc<str>) {
        self.known.lock().leave(region, user, namespace);
    }

    /// Whether no object names any region.
    pub(super) fn are_unused(&self) -> bool {
        self.known.lock().users.is_empty()
    }

    /// Forgets a region that no object names, or that is not called any more because another took
    /// its place. Returns whether it is one.
    pub fn forget_unused(&self, region: &Region) -> bool {
        let mut known = self.known.lock();
        let is_displaced = known.displaced.remove(region);
        let is_unused = is_displaced || !known.users.contains_key(region);
        if is_unused {
            known.answered.remove(region);
            known.tried.retain(|(tried, _)| tried != region);
        }
        is_unused
    }
}

impl Known {
    fn admit(&mut self, region: &Region, namespace: &Arc<str>) -> Result<()> {
        if self.answered.contains(region) || self.tried.iter().any(|(tried, _)| tried == region) {
            return Ok(());
        }
        let own = self.count(namespace);
        if own >= MOST_OF_NAMESPACE {
            return Err(Error::too_many_regions(region, MOST_OF_NAMESPACE, "this namespace"));
        }
        if self.tried.len() >= MOST {
            // The youngest region of the namespace with the most, if that makes it fairer.
            let counts = self.tried.iter().map(|(_, of)| self.count(of));
            let most = counts.enumerate().max_by_key(|(place, count)| (*count, *place));
            let Some((place, _)) = most.filter(|(_, count)| *count > own + 1) else {
                return Err(Error::too_many_regions(region, MOST, "the operator"));
            };
            let (displaced, _) = self.tried.remove(place);
            self.displaced.insert(displaced);
        }
        self.displaced.remove(region);
        self.tried.push((region.clone(), Arc::clone(namespace)));
        Ok(())
    }

    fn count(&self, namespace: &Arc<str>) -> usize {
        self.tried.iter().filter(|(_, of)| of == namespace).count()
    }

    fn leave(&mut self, region: &Region, user: &str, namespace: &Arc<str>) {
        let Some(users) = self.users.get_mut(region) else { return };
        users.remove(&(user.to_owned(), Arc::clone(namespace)));
        if !users.iter().any(|(_, user)| user == namespace) {
            self.tried.retain(|(tried, of)| tried != region || of != namespace);
        }
        if users.is_empty() {
            self.users.remove(region);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lightsail::ErrorKind;

    fn region(number: usize) -> Region {
        format!("xx-nowhere-{number}").into()
    }

    /// Tries this many regions that never answer. Returns how many were admitted.
    fn try_regions(regions: &Regions, namespace: &str, numbers: std::ops::Range<usize>) -> usize {
        numbers.filter(|number| admits(regions, namespace, *number)).count()
    }

    fn admits(regions: &Regions, namespace: &str, number: usize) -> bool {
        let admitted = regions.admit(&region(number), &namespace.into());
        assert!(
            admitted.as_ref().is_err_and(|error| error.kind == ErrorKind::TooManyRegions)
                || admitted.is_ok()
        );
        admitted.is_ok()
    }

    #[test]
    fn a_namespace_tries_so_many_regions_and_all_together_so_many() {
        let regions = Regions::default();
        assert_eq!(try_regions(&regions, "greedy", 0..1_000), 32);
        assert_eq!(try_regions(&regions, "greedy", 0..1_000), 32, "the same ones");
        assert_eq!(try_regions(&regions, "other", 1_000..2_000), 32);
        assert!(admits(&regions, "quiet", 2_000), "a place is taken from who has most");
        assert_eq!(try_regions(&regions, "other", 1_000..2_000), 31);
        assert!(admits(&regions, "quiet", 0), "it is tried for another namespace");
    }

    #[test]
    fn a_region_that_answered_takes_no_place_and_is_never_displaced() {
        let regions = Regions::default();
        assert_eq!(try_regions(&regions, "a", 0..40), 32);
        for number in 0..32 {
            regions.note_answer(&region(number));
        }
        assert_eq!(try_regions(&regions, "a", 32..100), 32);
        assert_eq!(try_regions(&regions, "b", 100..200), 32);
        assert_eq!(try_regions(&regions, "c", 200..300), 21, "three share the places");
        for number in 0..32 {
            assert!(admits(&regions, "d", number));
        }
    }

    #[test]
    fn nothing_is_kept_of_regions_that_no_object_names() {
        let regions = Regions::default();
        let (one, user, a, b): (_, _, Arc<str>, Arc<str>) =
            (region(1), "Kind", "a".into(), "b".into());
        regions.enter(&one, user, &a);
        regions.enter(&one, "Other", &a);
        regions.enter(&one, user, &b);
        assert!(admits(&regions, "a", 1));
        regions.leave(&one, user, &a);
        assert_eq!(regions.known.lock().tried.len(), 1, "another user still names it");
        regions.leave(&one, "Other", &a);
        assert_eq!(regions.known.lock().tried.len(), 0, "it is tried no more for a");
        assert!(admits(&regions, "b", 1) && !regions.forget_unused(&one));
        regions.note_answer(&one);
        regions.leave(&one, user, &b);
        assert!(regions.forget_unused(&one));
        let known = regions.known.lock();
        assert!(known.answered.is_empty() && known.tried.is_empty() && known.users.is_empty());
    }

    #[test]
    fn nothing_is_kept_of_a_region_that_lost_its_place() {
        let regions = Regions::default();
        for number in 0..65 {
            regions.enter(&region(number), "Kind", &"greedy".into());
        }
        assert_eq!(try_regions(&regions, "greedy", 0..32), 32);
        assert_eq!(try_regions(&regions, "other", 32..64), 32);
        assert!(!regions.forget_unused(&region(63)), "it is tried");
        assert!(!regions.forget_unused(&region(64)), "it was never tried, and may serve accounts");
        assert!(admits(&regions, "quiet", 64));
        assert!(regions.forget_unused(&region(63)), "its place was taken");
        assert!(regions.known.lock().displaced.is_empty());
        let (one, user) = (region(0), "Kind");
        regions.leave(&one, user, &"greedy".into());
        regions.enter(&one, user, &"other".into());
        assert!(!regions.forget_unused(&one), "another namespace names it");
    }

    #[test]
    fn only_allowed_regions_are_asked_if_there_are_any() {
        let regions = Regions::new(vec!["eu-west-1".to_owned(), "us-east-1".to_owned()]);
        regions.admit(&"eu-west-1".into(), &"a".into()).unwrap();
        let refused = regions.admit(&"eu-west-2".into(), &"a".into()).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::RegionNotAllowed);
        assert!(refused.message.contains("(in the chart, aws.allowedRegions); to release"));
        assert!(refused.message.contains("eu-west-1, us-east-1"), "{refused}");
        let first = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|region| (*region).to_owned()).collect();
            (regions.first_allowed(&wanted), Regions::default().first_allowed(&wanted))
        };
        for (wanted, expected) in [
            (&["us-east-1", "eu-west-1"][..], ("us-east-1", "us-east-1")),
            (&["eu-west-2", "eu-west-1"], ("eu-west-1", "eu-west-2")),
            (&["eu-west-2", "eu-west-3"], ("eu-west-2", "eu-west-2")),
        ] {
            assert_eq!(first(wanted), (expected.0.into(), expected.1.into()), "{wanted:?}");
        }
    }
}
