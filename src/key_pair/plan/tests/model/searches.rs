//! The searches: for each type of key pairs a few scenarios, each exhaustive within its bounds. A
//! scenario gives each kind of disturbance room; all of them together would be too many states.

use super::super::*;
use super::scenario::{May, PLAIN, Scenario, Spec, Type};
use super::world::{Annotation, Budget, Key, Secret};
use super::KeyPairs;
use crate::engine::tests::search::{is_whole, search};

/// Searches scenarios and prints a line for each.
#[expect(clippy::print_stdout, reason = "the counts are what a run of it tells")]
fn search_all(scenarios: Vec<Scenario>) {
    for scenario in scenarios {
        let (name, type_) = (scenario.name, format!("{:?}", scenario.type_));
        match search(&mut KeyPairs::new(scenario)) {
            Ok(it) => println!("model: {type_:9} {name:32} {:9} states {:9} transitions {:6.1} s",
                it.states, it.transitions, it.time.as_secs_f64()),
            Err(found) => panic!("{type_}: {name}: {found}"),
        }
    }
}

/// A scenario, with the disturbances that it has room for in a share and in the whole: acts of
/// users and others, crashes, and faults.
fn scenario(type_: Type, name: &'static str, specs: &[Spec], may: &[May], share: [u8; 3],
    whole: [u8; 3]) -> Scenario {
    let [acts, crashes, faults] = if is_whole() { whole } else { share };
    let budget = Budget { acts, crashes, faults };
    Scenario { budget, ..Scenario::new(name, type_, specs, may) }
}

/// Deletion and absence, with and without a policy.
const SPECS: [Spec; 4] = [
    PLAIN,
    Spec { absent: true, ..PLAIN },
    Spec { policy: Some(DeletionPolicy::Delete), ..PLAIN },
    Spec { policy: Some(DeletionPolicy::Retain), ..PLAIN },
];
const RECREATED: Spec = Spec { replace: ReplacePolicy::Recreate, ..PLAIN };
const PAIRS: [May; 5] = [May::DeleteObject, May::Edit, May::Import, May::DeletePair, May::Retag];

#[test]
fn imported() {
    let imported = |name, specs: &[Spec], may: &[May], share, whole| {
        scenario(Type::Imported, name, specs, may, share, whole)
    };
    let keys = [PLAIN, Spec { key: Key::B, ..RECREATED }, RECREATED,
        Spec { key: Key::B, ..PLAIN }];
    let expected = Spec { expected: Some(Key::A), absent: true, ..PLAIN };
    let adoptions = [PLAIN, expected, Spec { suspend: true, ..PLAIN },
        Spec { adoption: AdoptionPolicy::TakeOver, ..expected },
        Spec { adoption: AdoptionPolicy::TakeOver, ..PLAIN },
        Spec { adoption: AdoptionPolicy::Never, ..PLAIN }];
    let ends = [May::DeleteObject, May::StripFinalizer, May::Restore, May::Vanish, May::Import];
    let referring = Spec { from_source: true, ..PLAIN };
    let sources = [referring, Spec { absent: true, ..referring }];
    search_all(vec![
        imported("a pair comes and goes", &SPECS[..2], &PAIRS[..4], [1, 1, 1], [2, 1, 2]),
        Scenario { in_crowd: true,
            ..imported("a pair in a crowd", &SPECS, &PAIRS, [1, 1, 1], [2, 1, 2]) },
        imported("policies and tags", &SPECS, &PAIRS, [1, 0, 1], [2, 1, 1]),
        imported("keys change", &keys, &PAIRS, [1, 1, 0], [2, 1, 1]),
        imported("adoption", &adoptions, &PAIRS, [1, 1, 0], [2, 1, 1]),
        Scenario { pair: Some(Key::A),
            ..imported("a pair that was there", &SPECS, &PAIRS, [1, 1, 1], [2, 1, 1]) },
        Scenario { pair: Some(Key::B),
            ..imported("a pair with another key", &adoptions, &PAIRS, [1, 1, 1], [2, 1, 1]) },
        Scenario { objects: [Some(3), None],
            ..imported("a pair that is released", &SPECS, &PAIRS, [2, 0, 0], [2, 1, 1]) },
        imported("objects that vanish", &SPECS[..1], &ends, [2, 0, 1], [2, 1, 1]),
        imported("a key that is read", &sources,
            &[May::DeleteObject, May::Edit, May::EditSource], [1, 1, 1], [2, 1, 1]),
    ]);
}

#[test]
fn unknown_fingerprints() {
    let unknown = |name, specs: &[Spec], may: &[May], share, whole| Scenario {
        unknown_form: true, ..scenario(Type::Imported, name, specs, may, share, whole)
    };
    search_all(vec![
        unknown("an unknown form", &SPECS, &PAIRS, [1, 1, 1], [2, 1, 1]),
        Scenario { pair: Some(Key::B),
            ..unknown("an unknown pair that was there", &SPECS, &PAIRS, [1, 1, 1], [2, 1, 1]) },
        Scenario { in_crowd: true,
            ..unknown("an unknown form in a crowd", &SPECS, &PAIRS, [1, 1, 1], [2, 1, 1]) },
        unknown("an unknown form, keys change", &[PLAIN, Spec { key: Key::B, ..RECREATED }],
            &PAIRS, [1, 1, 0], [2, 1, 1]),
    ]);
}

#[test]
fn two_objects() {
    let two = |name, specs: &[Spec], may: &[May], share, whole| Scenario {
        two_processes: false, objects: [Some(0), Some(1)],
        ..scenario(Type::Imported, name, specs, may, share, whole)
    };
    let other = Spec { key: Key::B, ..PLAIN };
    let expected = Spec { expected: Some(Key::A), absent: true, ..PLAIN };
    search_all(vec![
        two("two objects, one key", &[PLAIN, PLAIN], &PAIRS[..1], [1, 0, 1], [2, 1, 1]),
        two("two objects, two keys", &[PLAIN, other], &PAIRS[..1], [1, 0, 1], [2, 1, 1]),
        two("one object deletes by name", &[PLAIN, expected], &PAIRS, [1, 0, 0], [1, 1, 1]),
    ]);
}

const GENERATED_BY_OPERATOR: Secret = Secret { key: Some(Key::C), annotation: Annotation::Own,
    created: true, owner: None, terminating: false, unreadable: false };

/// A Secret that goes with its object, until the spec says that it stays.
fn owners() -> [Spec; 4] {
    [
        Spec { delete_with_object: true, ..PLAIN },
        PLAIN,
        Spec { suspend: true, ..PLAIN },
        Spec { policy: Some(DeletionPolicy::Retain), ..PLAIN },
    ]
}

#[test]
fn generated() {
    let generated = |name, specs: &[Spec], may: &[May], share, whole| {
        scenario(Type::Generated, name, specs, may, share, whole)
    };
    let secrets = [May::DeleteObject, May::EditSecret];
    let owned = Spec { delete_with_object: true, adoption: AdoptionPolicy::Never, ..PLAIN };
    let users = Secret { key: Some(Key::A), annotation: Annotation::Nobody, created: false,
        ..GENERATED_BY_OPERATOR };
    search_all(vec![
        generated("a generated pair", &SPECS, &PAIRS, [1, 1, 0], [2, 1, 1]),
        generated("its Secret", &[PLAIN], &secrets, [1, 0, 1], [2, 1, 1]),
        generated("its Secret, recreated", &[RECREATED], &secrets, [1, 1, 0], [2, 1, 1]),
        generated("the owner of its Secret", &owners(), &[May::Edit, May::DeleteObject],
            [2, 0, 1], [2, 1, 1]),
        Scenario { pair: Some(Key::A), secret: Some(users),
            ..generated("a user's Secret", &[owned, PLAIN], &PAIRS, [1, 1, 1], [2, 1, 1]) },
        Scenario { secret: Some(GENERATED_BY_OPERATOR),
            ..generated("a Secret that was left", &[owned, PLAIN], &secrets, [1, 0, 1],
                [2, 1, 1]) },
    ]);
}

#[test]
fn default_pair() {
    let default = |name, specs: &[Spec], may: &[May], share, whole| {
        scenario(Type::Default, name, specs, may, share, whole)
    };
    let creating = Spec { create_if_missing: true, ..PLAIN };
    let gone = Spec { absent: true, expected: Some(Key::A), ..PLAIN };
    let deleting = Spec { policy: Some(DeletionPolicy::Delete), expected: Some(Key::A), ..PLAIN };
    let specs = [PLAIN, gone, deleting, Spec { backup: Backup::Skip, ..gone }];
    let others = [May::Edit, May::DeleteObject, May::Import, May::DeletePair];
    let secrets = [May::Edit, May::EditSecret];
    let there = |scenario| Scenario { pair: Some(Key::A), ..scenario };
    search_all(vec![
        there(default("the default pair", &specs, &others, [1, 1, 1], [2, 1, 1])),
        there(default("its Secret", &specs[..3], &secrets, [1, 1, 1], [2, 1, 1])),
        there(default("the owner of its Secret", &[owners()[0], deleting, owners()[2]],
            &[May::Edit, May::DeleteObject], [2, 0, 1], [2, 1, 1])),
        Scenario { unknown_form: true, ..there(default("an unknown form", &specs[..1],
            &[May::Import, May::DeletePair], [2, 0, 1], [2, 1, 2])) },
        default("created if missing", &[creating, PLAIN, gone], &others, [1, 1, 1], [2, 1, 1]),
        Scenario { two_processes: false, objects: [Some(0), Some(1)],
            ..there(default("two objects", &[PLAIN, gone], &others[1..2], [1, 1, 1], [2, 1, 1])) },
    ]);
}
