//! The names of the objects: valid in Kubernetes, each once, and the same in the next export,
//! whatever else is exported then.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::ids::{KeyPairName, Region};

/// The longest name of an object (`docs/lightsailkeypair.md`).
const LONGEST: usize = 100;
/// What the object of a default key pair is called, before its region.
const DEFAULT: &str = "lightsail-default";

/// The name of the object for a key pair. A name that Kubernetes does not take as it is gets a
/// hash, so that `a_b` and `a-b` have different ones.
pub(super) fn object_name(name: &KeyPairName, region: &Region) -> String {
    if name.is_default() {
        return format!("{DEFAULT}-{region}");
    }
    let plain = plain(name.as_str());
    let whole = format!("{plain}-{region}");
    if plain == name.as_str() && whole.len() <= LONGEST && plain != DEFAULT {
        return whole;
    }
    with_hash(&plain, name, region)
}

/// The names of the objects for these key pairs, in their order. Should two be the same, both get a
/// hash.
pub(super) fn object_names<'a>(
    pairs: impl Iterator<Item = (&'a KeyPairName, &'a Region)> + Clone,
) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (name, region) in pairs.clone() {
        *counts.entry(object_name(name, region)).or_default() += 1;
    }
    let unique = |(name, region): (&KeyPairName, &Region)| {
        let own = object_name(name, region);
        if counts[&own] == 1 { own } else { with_hash(&plain(name.as_str()), name, region) }
    };
    pairs.map(unique).collect()
}

fn with_hash(plain: &str, name: &KeyPairName, region: &Region) -> String {
    let hash = hex::encode(&Sha256::digest(format!("{name}\0{region}"))[..4]);
    let end = format!("-{region}-{hash}");
    let room = LONGEST.saturating_sub(end.len());
    let plain = plain[..plain.len().min(room)].trim_end_matches('-');
    format!("{plain}{end}")
}

/// Lower case letters, digits and hyphens, with a letter or digit at each end.
fn plain(name: &str) -> String {
    let plain = name.chars().map(|char| match char.to_ascii_lowercase() {
        char @ ('a'..='z' | '0'..='9') => char,
        _ => '-',
    });
    let plain: String = plain.collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "key-pair".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn name(pair: &str, region: &str) -> String {
        object_name(&pair.into(), &region.into())
    }

    #[test]
    fn a_name_that_can_stay_stays_with_its_region() {
        assert_eq!(name("fleet", "eu-west-1"), "fleet-eu-west-1");
        assert_eq!(name("0-a", "us-east-1"), "0-a-us-east-1");
        assert_eq!(name("LightsailDefaultKeyPair", "eu-west-1"), "lightsail-default-eu-west-1");
    }

    #[test]
    fn all_names_are_valid_and_different() {
        let long = "x".repeat(255);
        let pairs = [
            "a-b",
            "a_b",
            "a.b",
            "A-b",
            "a__b",
            "__",
            "_a",
            "-",
            "fleet",
            "Fleet",
            "é",
            "lightsail-default",
            "LightsailDefaultKeyPair",
            "fleet-eu-west-1",
            &long,
            &long[1..],
            "a-eu",
            "a",
        ];
        let regions = ["eu-west-1", "us-east-1", "us-gov-west-1", "gov-west-1"];
        let all = pairs.iter().flat_map(|pair| regions.iter().map(|region| name(pair, region)));
        let all: Vec<String> = all.collect();
        for name in &all {
            let is_inner = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '-');
            assert!(name.len() <= LONGEST && name.chars().all(is_inner), "{name}");
            assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn names_that_would_be_the_same_are_told_apart() {
        let pairs: [(KeyPairName, Region); 2] =
            [("x".into(), "us-gov-west-1".into()), ("x-us".into(), "gov-west-1".into())];
        let names = object_names(pairs.iter().map(|(name, region)| (name, region)));
        assert_eq!(object_name(&pairs[0].0, &pairs[0].1), object_name(&pairs[1].0, &pairs[1].1));
        assert_ne!(names[0], names[1]);
    }
}
