//! What is written into a Secret beside the private key.

use super::*;
use super::super::kept_key::write;

#[test]
fn i3_a_public_half_never_stays_beside_another_private_key() {
    let (old, new) = (private_key(), private_key());
    let spec = kept();
    let observed = observed();
    for (name, found, key, expected) in [
        ("its own", Some((&old, true)), &old, true),
        ("that of the key that stands there now", Some((&old, true)), &new, false),
        ("none, or another one", Some((&old, false)), &old, false),
        ("neither is there", None, &new, false),
    ] {
        let found = found.map(|(key, has_public_half)| {
            Found { key: Some(key.clone()), has_public_half, ..somebodys_secret() }
        });
        let step = write(&observed, &spec, found.as_ref(), key.clone());
        let Step::WriteSecret { keep_public_half, .. } = step else {
            panic!("{name}: it is written");
        };
        assert_eq!(keep_public_half, expected, "{name}");
    }
}
