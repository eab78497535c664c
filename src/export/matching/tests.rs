//! Rows: a key pair, what the user has, and what becomes of it.

use super::*;
use crate::api::key_pair::KeyAlgorithm;
use crate::export::keys::Keeper;
use crate::export::samples::{REGION, pair};
use crate::ids::Scope;
use crate::ssh::{Fingerprints, PrivateKey, generate};

fn location(path: &str) -> Location {
    Location::File { path: path.to_owned(), line: None }
}

fn region(name: &str, pairs: Vec<KeyPair>) -> RegionRead {
    RegionRead {
        scope: Scope { account: "123456789012".into(), region: name.into() },
        pairs,
        instances: None,
        now: None,
    }
}

fn keeper(name: &str, key: &PrivateKey, owner: Option<&str>) -> Keeper {
    Keeper { name: name.to_owned(), owner: owner.map(str::to_owned), forms: key.fingerprints() }
}

fn ed25519() -> PrivateKey {
    generate(KeyAlgorithm::Ed25519).unwrap()
}

/// The last form of this kind: that of the private key, if it has one.
fn form(key: &PrivateKey, is_so: impl Fn(&str) -> bool) -> String {
    let forms = key.fingerprints();
    forms.forms().iter().rfind(|form| is_so(form)).unwrap().clone()
}

/// What becomes of one key pair.
fn finding(pair: KeyPair, keys: &Keys) -> Finding {
    let all = match_all(vec![region(REGION, vec![pair])], keys, true);
    let [only] = &all[..] else { panic!("{all:?}") };
    only.finding.clone()
}

fn tagged(mut pair: KeyPair, key: &str, value: Option<&str>) -> KeyPair {
    pair.tags.insert(key.to_owned(), value.map(str::to_owned));
    pair
}

#[test]
#[rustfmt::skip]
fn what_becomes_of_a_key_pair() {
    let (key, other) = (ed25519(), ed25519());
    let rsa = generate(KeyAlgorithm::RSA4096).unwrap();
    let of_key = form(&key, |form| form.starts_with("SHA256:"));
    let (md5, sha1) = (form(&rsa, |it| it.len() == 47), form(&rsa, |it| it.len() == 59));
    let line = |key: &PrivateKey| {
        let line = key.public().line().split(' ').take(2).collect::<Vec<_>>().join(" ");
        Finding::Imported { line }
    };
    let unmatched = Finding::Unmatched;
    let mut none = Keys::default();
    none.add_public(other.public(), location("other.pub"));
    none.add_hint(&sha1, Location::Terraform { path: "a.tfstate".to_owned() });
    let mut public = Keys::default();
    public.add_public(key.public(), location("a.pub"));
    public.add_public(rsa.public(), location("rsa.pub"));
    let mut private = Keys::default();
    private.add_private(&rsa, location("rsa"), None);
    let mut kept = Keys::default();
    kept.add_private(&key, location("a"), Some(keeper("a-ssh", &key, None)));
    kept.add_private(&rsa, location("rsa"), Some(keeper("rsa-ssh", &rsa, None)));
    let mut others = Keys::default();
    others.add_private(&key, location("a"), Some(keeper("a-ssh", &key, Some("another"))));
    let mut own = Keys::default();
    own.add_private(&key, location("a"), Some(keeper("a-ssh", &key, Some("fleet-eu-west-1"))));
    let mut unformed = Keys::default();
    // As if the Secret had it in OpenSSH's form, of which the operator knows no SHA-1.
    let forms = rsa.public().fingerprints();
    let keeper = Keeper { forms, ..keeper("rsa-ssh", &rsa, None) };
    unformed.add_private(&rsa, location("rsa"), Some(keeper));

    let ours = pair("fleet", Some(&of_key));
    let generated = |secret: &str| Finding::Generated { secret: secret.to_owned() };
    let managed = |owner| Finding::Managed { owner, is_gone: None };
    let by = managed(Managed::By(Owner::new("c", "n", "o")));
    let upper = OWNER_TAG.to_uppercase();
    for (name, pair, keys, expected) in [
        ("no key", ours.clone(), &none, unmatched(Why::NoKey)),
        ("a public key", ours.clone(), &public, line(&key)),
        ("a key in a Secret", ours.clone(), &kept, generated("a-ssh")),
        ("a Secret that names another as its owner", ours.clone(), &others, line(&key)),
        ("a Secret that names it as its owner", ours.clone(), &own, generated("a-ssh")),
        ("imported RSA", pair("fleet", Some(&md5)), &public, line(&rsa)),
        ("made by Lightsail", pair("fleet", Some(&sha1)), &none, unmatched(Why::MadeByLightsail)),
        ("and its public key is known", pair("fleet", Some(&sha1)), &public,
            unmatched(Why::MadeByLightsail)),
        ("and its private key is in a file", pair("fleet", Some(&sha1)), &private,
            unmatched(Why::PrivateKeyNeeded)),
        ("and in a Secret", pair("fleet", Some(&sha1)), &kept, generated("rsa-ssh")),
        ("and in a Secret in another form", pair("fleet", Some(&sha1)), &unformed,
            unmatched(Why::PrivateKeyNeeded)),
        ("in upper case", pair("fleet", Some(&sha1.to_uppercase())), &none,
            unmatched(Why::MadeByLightsail)),
        ("no fingerprint", pair("fleet", None), &public, unmatched(Why::NoFingerprint)),
        ("an odd one", pair("fleet", Some("v2:x")), &public, unmatched(Why::UnknownFingerprint)),
        ("a name with a blank", pair("a b", Some(&of_key)), &public, unmatched(Why::NameUnusable)),
        ("a short name", pair("a", Some(&of_key)), &public, unmatched(Why::NameUnusable)),
        ("an owner", tagged(ours.clone(), OWNER_TAG, Some("c/n/o")), &public, by.clone()),
        ("an owner without a key", tagged(ours.clone(), OWNER_TAG, Some("c/n/o")), &none, by),
        ("an owner tag without a value", tagged(ours.clone(), OWNER_TAG, None), &public,
            managed(Managed::Unknown)),
        ("one that is spelled otherwise", tagged(ours.clone(), &upper, Some("c/n/o")), &public,
            managed(Managed::Unknown)),
        ("one of two parts", tagged(ours.clone(), OWNER_TAG, Some("c/n")), &public,
            managed(Managed::Unknown)),
        ("one of one part", tagged(ours.clone(), OWNER_TAG, Some("c")), &public,
            managed(Managed::Unknown)),
        ("one of four parts", tagged(ours.clone(), OWNER_TAG, Some("c/n/o/x")), &public,
            managed(Managed::Unknown)),
        ("an empty one", tagged(ours.clone(), OWNER_TAG, Some("")), &public,
            managed(Managed::Unknown)),
        ("one without a cluster", tagged(ours.clone(), OWNER_TAG, Some("/n/o")), &public,
            managed(Managed::Unknown)),
        ("one without a namespace", tagged(ours.clone(), OWNER_TAG, Some("c//o")), &public,
            managed(Managed::Unknown)),
        ("one without an object", tagged(ours.clone(), OWNER_TAG, Some("c/n/")), &public,
            managed(Managed::Unknown)),
        ("one with a path", tagged(ours.clone(), OWNER_TAG, Some("c/../o")), &public,
            managed(Managed::Unknown)),
        ("one with other names", tagged(ours.clone(), OWNER_TAG, Some("c/N/o o")), &public,
            managed(Managed::Unknown)),
        ("another tag", tagged(ours.clone(), "team", Some("a")), &public, line(&key)),
        ("the default pair", pair("LightsailDefaultKeyPair", Some(&of_key)), &public,
            Finding::Default),
        ("with an owner tag", tagged(pair("LightsailDefaultKeyPair", None), OWNER_TAG,
            Some("c/n/o")), &none, Finding::Default),
    ] {
        assert_eq!(finding(pair, keys), expected, "{name}");
    }
}

#[test]
fn a_secret_is_given_to_one_object_and_first_to_the_one_that_needs_it() {
    let rsa = generate(KeyAlgorithm::RSA4096).unwrap();
    let (md5, sha1) = (form(&rsa, |it| it.len() == 47), form(&rsa, |it| it.len() == 59));
    let regions = || {
        vec![
            region("us-east-1", vec![pair("made", Some(&sha1))]),
            region("eu-west-1", vec![pair("b", Some("x")), pair("fleet", Some(&md5))]),
        ]
    };
    let mut keys = Keys::default();
    keys.add_private(&rsa, location("rsa"), Some(keeper("one", &rsa, None)));
    let secrets = |keys: &Keys| -> Vec<Option<String>> {
        let secret = |exported: &Exported| match &exported.finding {
            Finding::Generated { secret } => Some(secret.clone()),
            Finding::Imported { .. }
            | Finding::Default
            | Finding::Managed { .. }
            | Finding::Unmatched(_) => None,
        };
        match_all(regions(), keys, true).iter().map(secret).collect()
    };
    assert_eq!(secrets(&keys), [None, None, Some("one".to_owned())]);
    keys.add_private(&rsa, location("rsa"), Some(keeper("a-copy", &rsa, None)));
    let two = [None, Some("one".to_owned()), Some("a-copy".to_owned())];
    assert_eq!(secrets(&keys), two);
}

#[test]
fn the_order_is_that_of_regions_and_names_whatever_comes_first() {
    let regions = || {
        vec![
            region("us-east-1", vec![pair("bb", None)]),
            region("eu-west-1", vec![pair("cc", None), pair("LightsailDefaultKeyPair", None)]),
            region("eu-central-1", vec![]),
            region("ap-south-1", vec![pair("dd", None), pair("aa", None)]),
        ]
    };
    let names = |mut regions: Vec<RegionRead>, default_pairs, reverse| -> Vec<String> {
        if reverse {
            regions.reverse();
            for region in &mut regions {
                region.pairs.reverse();
            }
        }
        let all = match_all(regions, &Keys::default(), default_pairs);
        all.into_iter().map(|exported| exported.object).collect()
    };
    let expected = ["aa-ap-south-1", "dd-ap-south-1", "cc-eu-west-1", "bb-us-east-1"];
    assert_eq!(names(regions(), false, false), expected);
    assert_eq!(names(regions(), false, true), expected);
    let expected = [
        "aa-ap-south-1",
        "dd-ap-south-1",
        "lightsail-default-eu-west-1",
        "cc-eu-west-1",
        "bb-us-east-1",
    ];
    assert_eq!(names(regions(), true, true), expected);
}

#[test]
fn a_key_pair_that_two_pages_list_is_one() {
    let twice = vec![pair("fleet", None), pair("other", None), pair("fleet", None)];
    let all = match_all(vec![region(REGION, twice)], &Keys::default(), true);
    let names: Vec<String> = all.into_iter().map(|exported| exported.object).collect();
    assert_eq!(names, ["fleet-eu-west-1", "other-eu-west-1"]);
}

#[test]
fn users_and_age_are_those_of_the_region() {
    let mut here = region(REGION, vec![pair("fleet", None)]);
    let instance = |name: &str, key_pair: &str| (name.to_owned(), KeyPairName::from(key_pair));
    here.instances =
        Some(vec![instance("web-2", "fleet"), instance("db", "other"), instance("web-1", "fleet")]);
    // 2026-01-02T00:00:00Z
    here.now = Some(1_767_312_000);
    let there = region("us-east-1", vec![pair("fleet", None)]);
    let all = match_all(vec![here, there], &Keys::default(), true);
    assert_eq!(all[0].instances.as_deref(), Some(&["web-1".to_owned(), "web-2".to_owned()][..]));
    assert_eq!((all[0].age, all[1].age), (Some(86_400), None));
    assert_eq!(all[1].instances, None);
}

#[test]
fn a_key_that_is_found_twice_has_both_places_and_all_its_fingerprints() {
    let rsa = generate(KeyAlgorithm::RSA4096).unwrap();
    let mut keys = Keys::default();
    keys.add_public(rsa.public(), location("b"));
    keys.add_private(&rsa, location("a"), None);
    keys.add_public(rsa.public(), location("b"));
    assert_eq!(keys.len(), 1);
    let key = keys.find(&form(&rsa, |it| it.len() == 59).as_str().into()).unwrap();
    assert_eq!(key.locations, [location("a"), location("b")]);
    assert!(key.forms != Fingerprints::from_forms(Vec::new()));
    assert_eq!(key.line().split(' ').count(), 2);
}
