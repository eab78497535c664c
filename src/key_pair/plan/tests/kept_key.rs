//! What is written into a Secret beside the private key.

use super::*;
use super::super::kept_key::{set_aside, usable, write};

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

#[test]
fn an_own_secret_that_cannot_be_written_will_do_unless_it_holds_another_key() {
    let (key, other) = (private_key(), private_key());
    let listed = |fingerprint: Option<String>| KeyPair {
        fingerprint: fingerprint.map(Into::into), ..pair(FIRST)
    };
    let own = Some(key.public().sha256());
    for (name, pair, key, is_own, expected) in [
        ("it holds the key of the pair", Some(listed(own.clone())), Some(&key), true, true),
        ("whatever Lightsail lists", Some(listed(Some("of a new form".to_owned()))), Some(&key),
         true, true),
        ("also nothing", Some(listed(None)), Some(&key), true, true),
        ("there is no pair yet", None, Some(&key), true, true),
        ("it holds another key", Some(listed(own.clone())), Some(&other), true, false),
        ("it holds none", Some(listed(None)), None, true, false),
        ("it is somebody's", Some(listed(own)), Some(&key), false, false),
    ] {
        let rejects = Some(Rejection::Immutable);
        let found = Found { is_own, rejects, key: key.cloned(), ..somebodys_secret() };
        let observed = Observed { secret: Lookup::Found(found), ..observed() };
        let desired = Desired { pair: DesiredPair::Generated { secret: kept(),
            algorithm: KeyAlgorithm::Ed25519, replace: ReplacePolicy::Never }, ..desired() };
        let step = usable(&desired, &observed, &kept(), pair.as_ref());
        let words = step.as_ref().map_err(|step| word(step)).err();
        let refusal = (!expected).then(|| "Stalled SecretRejected".to_owned());
        assert_eq!(words, refusal, "{name}");
    }
}

#[test]
fn a_secret_on_record_that_was_replaced_says_how_its_key_is_taken() {
    let mark = "annotation lightsail-operator.dev/owner to LightsailKeyPair/fleet";
    let desired = Desired { pair: DesiredPair::Generated { secret: kept(),
        algorithm: KeyAlgorithm::Ed25519, replace: ReplacePolicy::Never }, ..desired() };
    for (name, recorded, is_of_another, expected) in [
        ("it had the name of the one on record", Some("kept"), false, true),
        ("nothing is on record", None, false, false),
        ("another one is", Some("former"), false, false),
        ("it is another object's", Some("kept"), true, false),
    ] {
        let found = Found { is_of_another, key: Some(private_key()), ..somebodys_secret() };
        let mut observed = Observed { secret: Lookup::Found(found), ..observed() };
        observed.former_secret = Lookup::Absent;
        observed.recorded.secret_name = recorded.map(str::to_owned);
        let Err(step) = usable(&desired, &observed, &kept(), None) else { panic!("{name}") };
        let Step::Finish(verdict) = *step else { panic!("{name}") };
        assert_eq!(verdict.message.contains(mark), expected, "{name}: {}", verdict.message);
    }
}

#[test]
fn a_comment_is_no_part_of_a_key() {
    let file = Key::generate(&["-t", "ed25519"]);
    let key = PrivateKey::parse(&file.private()).unwrap();
    let commented = PrivateKey::parse(&file.commented("another one")).unwrap();
    assert_ne!(key.public().line(), commented.public().line());
    let holds = |key: &PrivateKey| Found { key: Some(key.clone()), ..somebodys_secret() };
    let step = write(&observed(), &kept(), Some(&holds(&commented)), key.clone());
    let Step::WriteSecret { keep_public_half, .. } = step else { panic!("{step:?}") };
    assert!(keep_public_half, "what a user put beside the same key stays");
    for (name, copy, expected) in [
        ("the copy has the same key", &commented, None),
        ("it has another one", &private_key(), Some("Stalled SecretNotOwned".to_owned())),
    ] {
        let mut observed = Observed { copy: Lookup::Found(holds(copy)), ..observed() };
        observed.done.set_aside = SetAside::NameTaken;
        let step = set_aside(&desired(), &observed, &holds(&key));
        assert_eq!(step.as_ref().map(word), expected, "{name}");
    }
}
