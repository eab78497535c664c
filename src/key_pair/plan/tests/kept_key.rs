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

fn generated() -> Desired {
    let pair = DesiredPair::Generated { secret: kept(), algorithm: KeyAlgorithm::Ed25519,
        replace: ReplacePolicy::Recreate };
    Desired { pair, ..desired() }
}

fn default() -> Desired {
    let pair = DesiredPair::Default { create_if_missing: false, secret: kept(),
        backup: Backup::Required, windows_passwords_saved: false };
    Desired { pair, ..desired() }
}

/// What is said of this Secret.
fn said(desired: &Desired, observed: Observed, found: Found, pair: Option<&KeyPair>) -> String {
    let observed =
        Observed { secret: Lookup::Found(found), former_secret: Lookup::Absent, ..observed };
    match usable(desired, &observed, &kept(), pair).map_err(|step| *step) {
        Err(Step::Finish(verdict)) => verdict.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_that_is_not_the_objects_says_how_its_key_is_taken() {
    let mark = "annotation lightsail-operator.dev/owner to LightsailKeyPair/fleet";
    let (generated, default) = (generated(), default());
    let (key, other) = (private_key(), private_key());
    let listed = KeyPair { fingerprint: Some(key.public().sha256().into()), ..pair(FIRST) };
    let unlisted = KeyPair { fingerprint: None, ..pair(FIRST) };
    let made = |pair: &KeyPair| recorded(pair, Origin::Generated);
    let with = |secret: &str| Recorded { secret_name: Some(secret.to_owned()),
        ..Recorded::default() };
    let nothing = Recorded::default;
    for (name, desired, recorded, pair, key, is_of_another, expected) in [
        ("it had the name of the one on record", &generated, with("kept"), None, &key, false, true),
        ("so of a default pair", &default, with("kept"), None, &key, false, true),
        ("nothing is on record, and it has a key", &generated, nothing(), None, &key, false, true),
        ("another Secret is", &generated, with("former"), None, &key, false, true),
        ("the key of a default pair is not taken from it", &default, nothing(), None, &key, false,
         false),
        ("it is another object's", &generated, with("kept"), None, &key, true, false),
        ("it names another object, and has the pair's key", &generated, made(&listed),
         Some(&listed), &key, true, true),
        ("nothing tells whether it has", &generated, made(&unlisted), Some(&unlisted), &key, true,
         true),
        ("without a name, either", &generated, made(&unlisted), Some(&unlisted), &key, false, true),
        ("it has another key", &generated, made(&listed), Some(&listed), &other, false, true),
        ("the pair is still to be adopted", &generated, nothing(), Some(&listed), &key, true, true),
        ("the pair is gone", &generated, made(&listed), None, &key, true, true),
        ("a default pair's key is there for the asking", &default, nothing(), Some(&listed), &other,
         true, false),
    ] {
        let found = Found { is_of_another, key: Some(key.clone()), ..somebodys_secret() };
        let said = said(desired, Observed { recorded, ..observed() }, found, pair);
        assert_eq!(said.contains(mark), expected, "{name}: {said}");
    }
}

#[test]
fn i3_a_secret_is_left_only_with_a_copy_of_the_key_if_there_is_a_pair() {
    let copy = "to a Secret with another name, and then";
    let unused = ["to an unused name", "to another name"];
    let (generated, default) = (generated(), default());
    let unreadable = || Found { rejects: Some(Rejection::Unreadable(InvalidPrivateKey::PuTTY)),
        ..somebodys_secret() };
    let own = || Found { is_own: true, ..unreadable() };
    let of_another = || Found { is_of_another: true, ..unreadable() };
    let pair = &pair(FIRST);
    let made = recorded(pair, Origin::Generated);
    let sent = Recorded { intent: intent(FIRST), ..Recorded::default() };
    let nothing = Recorded::default;
    for (name, desired, recorded, pair, found, expected) in [
        ("the key got a passphrase", &generated, made.clone(), Some(pair), own(), true),
        ("in a Secret that has lost its annotations", &generated, made.clone(), Some(pair),
         unreadable(), true),
        ("in one that names another object", &generated, made.clone(), Some(pair), of_another(),
         true),
        ("the pair is gone, and instances have its key", &generated, made.clone(), None, own(),
         true),
        ("its import is on record", &generated, sent, None, own(), true),
        ("it may be adopted", &generated, nothing(), Some(pair), unreadable(), true),
        ("there is none", &generated, nothing(), None, unreadable(), false),
        ("nor in another object's Secret", &generated, nothing(), None, of_another(), false),
        ("a default pair's key is downloaded again", &default, made, Some(pair), own(), false),
    ] {
        let said = said(desired, Observed { recorded, ..observed() }, found, pair);
        assert_eq!(said.contains(copy), expected, "{name}: {said}");
        assert_eq!(unused.iter().any(|words| said.contains(words)), !expected, "{name}: {said}");
        assert!(expected || !said.contains("the key pair's private key"), "{name}: {said}");
    }
}

#[test]
fn i15_what_the_operator_wrote_and_cannot_read_back_was_changed_by_something() {
    let desired = generated();
    let unreadable = || Found { is_own: true, ..somebodys_secret() };
    let created = || Found { was_created: true, ..unreadable() };
    for (name, found, wrote, expected) in [
        ("it was written just now", unreadable(), true, true),
        ("it was created then", created(), true, true),
        ("or earlier", created(), false, true),
        ("somebody else has created it", unreadable(), false, false),
    ] {
        let found =
            Found { rejects: Some(Rejection::Unreadable(InvalidPrivateKey::Unknown)), ..found };
        let mut observed = observed();
        (observed.pair, observed.has_finalizer) = (live(None), true);
        (observed.done.wrote_secret, observed.done.generated) = (wrote, Some(private_key()));
        observed.secret = Lookup::Found(found.clone());
        assert_eq!(word(&plan(&desired, &observed)), "Stalled SecretRejected", "{name}");
        let said = said(&desired, observed, found, None);
        assert_eq!(said.contains("something has changed it"), expected, "{name}: {said}");
        assert_eq!(said.contains("was not changed"), !expected, "{name}: {said}");
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
