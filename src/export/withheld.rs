//! Key pairs with a value that looks like a private key: the name of the pair, of an instance or of
//! a file, for example. Such a value costs its own pair, and not the whole output. Pure.

use super::exported::{Exported, Finding};
use super::json;
use super::report::count;
use super::text::has_private_key;
use crate::ids::Region;

/// What is said of them.
pub(super) const LOOKS_PRIVATE: &str = "a name or another value looks like a private key";

/// Takes them out, and gives the region of each, in their order.
pub(super) fn withhold(all: &mut Vec<Exported>) -> Vec<Region> {
    let withheld = all.extract_if(.., |exported| looks_private(exported));
    withheld.map(|exported| exported.region).collect()
}

/// The regions, and how many key pairs of each, as words.
pub(super) fn counts(withheld: &[Region]) -> impl Iterator<Item = (&Region, String)> {
    let regions = withheld.chunk_by(|one, other| one == other);
    regions.map(|region| (&region[0], count(region.len(), "key pair")))
}

fn looks_private(exported: &Exported) -> bool {
    // What is written as a key may be a real one. It stays, and then nothing is written at all.
    let is_key = matches!(&exported.finding, Finding::Imported { line } if has_private_key(line));
    !is_key && has_private_key(&json::key_pair(exported).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::exported::{Managed, Why};
    use crate::export::keys::Place;
    use crate::export::samples::exported;
    use crate::ids::Owner;

    #[test]
    fn a_value_that_looks_like_a_private_key_costs_its_own_pair() {
        const MARKED: &str = "BEGIN OPENSSH PRIVATE KEY";
        let plain = || exported("fleet", Finding::Unmatched(Why::NoKey));
        let file = Place::File { path: format!("keys/{MARKED}"), line: None };
        let secret = "openssh-key-v1".to_owned();
        let owner = Managed::By(Owner::new("c", "n", "openssh-key-v1"));
        for (name, one) in [
            ("the name", exported(MARKED, Finding::Unmatched(Why::NameUnusable))),
            ("the name of the object", exported("OpenSSH_key_v1", Finding::Default)),
            ("an instance", Exported { instances: Some(vec![MARKED.to_owned()]), ..plain() }),
            ("a file", Exported { places: vec![file], ..plain() }),
            ("a Secret", exported("fleet", Finding::Generated { secret })),
            ("an owner", exported("fleet", Finding::Managed { owner, is_gone: None })),
        ] {
            let mut all = vec![plain(), one, plain()];
            assert_eq!(withhold(&mut all), [Region::from("eu-west-1")], "{name}");
            assert_eq!(all.len(), 2, "{name}");
        }
    }

    #[test]
    fn a_private_key_in_the_place_of_a_key_stays_to_stop_everything() {
        let key = crate::ssh::generate(crate::api::key_pair::KeyAlgorithm::Ed25519).unwrap();
        let line = key.expose_pem().to_owned();
        let mut all = vec![exported("fleet", Finding::Imported { line })];
        assert!(withhold(&mut all).is_empty());
        assert!(has_private_key(&json::key_pair(&all[0]).to_string()));
    }
}
