//! Matches key pairs with keys, and decides which object each gets. Pure.
//!
//! What is decided here must hold for the operator that gets the manifests: it adopts a pair only
//! if no owner tag is on it, and if the key of its object has the fingerprint that Lightsail lists.

use std::collections::BTreeSet;

use crate::api::{OWNER_TAG, is_other_spelling};
use crate::config::names;
use crate::export::exported::{Exported, Finding, Managed, RegionRead, Why};
use crate::export::keys::{Key, Keys, Location};
use crate::export::names::object_names;
use crate::ids::{Fingerprint, KeyPairName, Owner};
use crate::lightsail::KeyPair;
use crate::ssh::{Form, Match};

/// Matches what was read. `default_pairs`: whether default key pairs are exported.
pub(super) fn match_all(
    mut regions: Vec<RegionRead>,
    keys: &Keys,
    default_pairs: bool,
) -> Vec<Exported> {
    regions.sort_by(|one, other| one.scope.region.cmp(&other.scope.region));
    for region in &mut regions {
        region.pairs.retain(|pair| default_pairs || !pair.name.is_default());
        region.pairs.sort_by(|one, other| one.name.cmp(&other.name));
        // Two pages list it if others change while the list is read.
        region.pairs.dedup_by(|one, other| one.name == other.name);
    }
    let pairs = || {
        let of = |region: &'_ RegionRead| region.pairs.len();
        regions.iter().filter(move |region| of(region) > 0).flat_map(|region| {
            region.pairs.iter().map(move |pair| (&pair.name, &region.scope.region))
        })
    };
    let mut names = object_names(pairs()).into_iter();
    let mut all: Vec<Exported> = regions
        .into_iter()
        .flat_map(|RegionRead { scope, pairs, instances, now }| {
            let exported = pairs.into_iter().map(move |pair| Exported {
                account: scope.account.clone(),
                region: scope.region.clone(),
                age: now.zip(pair.created()).map(|(now, created)| now - created.as_second()),
                instances: instances.as_ref().map(|all| users(all, &pair.name)),
                object: String::new(),
                locations: locations(keys, &pair),
                finding: first_finding(keys, &pair),
                pair,
            });
            exported.collect::<Vec<_>>()
        })
        .collect();
    for exported in &mut all {
        exported.object = names.next().unwrap_or_default();
    }
    give_secrets(&mut all, keys);
    all
}

fn users(instances: &[(String, KeyPairName)], name: &KeyPairName) -> Vec<String> {
    let used = instances.iter().filter(|(_, key_pair)| key_pair == name);
    let mut users: Vec<String> = used.map(|(instance, _)| instance.clone()).collect();
    users.sort();
    users
}

fn locations(keys: &Keys, pair: &KeyPair) -> Vec<Location> {
    let Some(listed) = &pair.fingerprint else { return Vec::new() };
    match keys.find(listed) {
        Some(key) => key.locations.clone(),
        None => keys.find_hint(listed).cloned().into_iter().collect(),
    }
}

/// The finding as long as no Secret is used.
fn first_finding(keys: &Keys, pair: &KeyPair) -> Finding {
    if pair.name.is_default() {
        // It gets no owner tag.
        return Finding::Default;
    }
    if let Some(owner) = manager(pair) {
        return Finding::Managed { owner, is_gone: None };
    }
    if !is_usable(&pair.name) {
        return Finding::Unmatched(Why::NameUnusable);
    }
    let Some(listed) = &pair.fingerprint else {
        return Finding::Unmatched(Why::NoFingerprint);
    };
    match (keys.find(listed), Form::of(listed.as_str())) {
        (Some(key), _) if key.public.fingerprints().compare(Some(listed)) == Match::Same => {
            Finding::Imported { line: key.line() }
        }
        (Some(_), _) => Finding::Unmatched(Why::PrivateKeyNeeded),
        (None, Form::Sha1) => Finding::Unmatched(Why::MadeByLightsail),
        (None, _) if is_known(listed) => Finding::Unmatched(Why::NoKey),
        (None, _) => Finding::Unmatched(Why::UnknownFingerprint),
    }
}

/// Whether a fingerprint has a form that tells one key from another.
fn is_known(listed: &Fingerprint) -> bool {
    crate::ssh::Fingerprints::from_forms(Vec::new()).compare(Some(listed)) == Match::Different
}

fn manager(pair: &KeyPair) -> Option<Managed> {
    match pair.tags.get(OWNER_TAG) {
        Some(Some(tag)) => Some(owner(tag).map_or(Managed::Unknown, Managed::By)),
        Some(None) => Some(Managed::Unknown),
        None => pair.tags.keys().any(is_other_spelling).then_some(Managed::Unknown),
    }
}

/// The owner in an owner tag, if the tag is one that an operator can have written.
fn owner(tag: &str) -> Option<Owner> {
    let owner = Owner::from(tag);
    let (namespace, name) = owner.object();
    let is_whole = !owner.cluster().is_empty()
        && names::namespace(namespace).is_ok()
        && names::object_name(name).is_ok();
    is_whole.then_some(owner)
}

/// As the CRD checks `keyPairName`.
fn is_usable(name: &KeyPairName) -> bool {
    let name = name.as_str();
    let is_end =
        |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
    (2..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && is_end(name.as_bytes().first())
        && is_end(name.as_bytes().last())
}

/// A Secret belongs to one object. Pairs that Lightsail made need theirs, and come first.
fn give_secrets(all: &mut [Exported], keys: &Keys) {
    let mut taken = BTreeSet::new();
    for needs_it in [true, false] {
        for exported in all.iter_mut() {
            let is_next = match &exported.finding {
                Finding::Unmatched(Why::PrivateKeyNeeded) => needs_it,
                Finding::Imported { .. } => !needs_it,
                Finding::Generated { .. }
                | Finding::Default
                | Finding::Managed { .. }
                | Finding::Unmatched(_) => false,
            };
            let listed = exported.pair.fingerprint.as_ref().filter(|_| is_next);
            let key = listed.and_then(|listed| keys.find(listed).zip(Some(listed)));
            let Some((key, listed)) = key else { continue };
            if let Some(secret) = keeper(key, listed, &exported.object, &taken) {
                taken.insert(secret.clone());
                exported.finding = Finding::Generated { secret };
            }
        }
    }
}

fn keeper(
    key: &Key,
    listed: &Fingerprint,
    object: &str,
    taken: &BTreeSet<String>,
) -> Option<String> {
    let fits = key.keepers.iter().filter(|keeper| {
        !taken.contains(&keeper.name)
            && keeper.owner.as_deref().is_none_or(|owner| owner == object)
            && keeper.forms.compare(Some(listed)) == Match::Same
    });
    fits.map(|keeper| keeper.name.clone()).next()
}

#[cfg(test)]
mod tests;
