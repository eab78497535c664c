//! Key pairs with a value that looks like a private key: the name of the pair, of an instance or of
//! a file, for example. Such a value costs its own pair, and not the whole output. Pure.

use super::exported::Exported;
use super::json;
use super::keys::Location;
use super::report::count;
use super::text::has_private_key;
use crate::ids::Region;

/// What is reported about them.
pub(super) const LOOKS_PRIVATE: &str = "a name or another value looks like a private key";

/// Stands for a path that looks like a private key.
const PATH: &str = "a path that looks like a private key";

/// Takes them out, and gives the region of each, in their order. A path costs nothing but itself.
pub(super) fn withhold(all: &mut Vec<Exported>) -> Vec<Region> {
    for location in all.iter_mut().flat_map(|exported| &mut exported.locations) {
        if let Location::File { path, .. } | Location::Terraform { path } = location
            && has_private_key(path)
        {
            PATH.clone_into(path);
        }
    }
    let withheld = all.extract_if(.., |exported| looks_private(exported));
    withheld.map(|exported| exported.region).collect()
}

/// The regions, and how many key pairs of each, as words.
pub(super) fn counts(withheld: &[Region]) -> impl Iterator<Item = (&Region, String)> {
    let regions = withheld.chunk_by(|one, other| one == other);
    regions.map(|region| (&region[0], count(region.len(), "key pair")))
}

fn looks_private(exported: &Exported) -> bool {
    has_private_key(&json::key_pair(exported).to_string())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::export::exported::{Finding, Managed, Why};
    use crate::export::samples::exported;
    use crate::ids::Owner;
    use crate::ssh::PublicKey;

    #[test]
    fn a_value_that_looks_like_a_private_key_costs_its_own_pair() {
        const MARKED: &str = "BEGIN OPENSSH PRIVATE KEY";
        let plain = || exported("fleet", Finding::Unmatched(Why::NoKey));
        let file = Location::File { path: format!("keys/{MARKED}"), line: None };
        let secret = "openssh-key-v1".to_owned();
        let owner = Managed::By(Owner::new("c", "n", "openssh-key-v1"));
        for (name, one) in [
            ("the name", exported(MARKED, Finding::Unmatched(Why::NameUnusable))),
            ("the name of the object", exported("OpenSSH_key_v1", Finding::Default)),
            ("an instance", Exported { instances: Some(vec![MARKED.to_owned()]), ..plain() }),
            ("a Secret", exported("fleet", Finding::Generated { secret })),
            ("an owner", exported("fleet", Finding::Managed { owner, is_gone: None })),
        ] {
            let mut all = vec![plain(), one, plain()];
            assert_eq!(withhold(&mut all), [Region::from("eu-west-1")], "{name}");
            assert_eq!(all.len(), 2, "{name}");
        }
        let mut all = vec![Exported { locations: vec![file], ..plain() }];
        assert!(withhold(&mut all).is_empty());
        assert_eq!(all[0].locations[0].to_string(), PATH);
    }

    /// Somebody may choose most bytes of an RSA modulus, so that a public key looks so too.
    #[test]
    fn a_public_key_that_looks_like_a_private_key_costs_its_own_pair() {
        let blob = [
            &b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01\0\0\x01\x01\0\x80openssh-key-v1"[..],
            &[1; 257 - 16],
        ];
        let line = format!("ssh-rsa {}", BASE64_STANDARD.encode(blob.concat()));
        let public = PublicKey::parse(&line).unwrap();
        assert!(has_private_key(public.line()));
        let one = exported("fleet", Finding::Imported { line });
        let mut all = vec![exported("plain", Finding::Default), one];
        assert_eq!(withhold(&mut all), [Region::from("eu-west-1")]);
        assert_eq!(all.len(), 1);
    }
}
