//! The rows of what changes about an own pair: replacement, tags, suspension, and a public key that
//! stands elsewhere.

use super::*;
use crate::key_pair::world::DeletedPair;
use crate::api::Reason;

fn recreate(desired: &mut Desired, line: &str) {
    let key = ImportedKey::Inline(PublicKey::parse(line));
    desired.pair = DesiredPair::Imported { key, replace: ReplacePolicy::Recreate };
}

fn with_tag(mut pair: KeyPair, key: &str, value: &str) -> KeyPair {
    pair.tags.insert(key.to_owned(), Some(value.to_owned()));
    pair
}

#[test]
fn an_own_pair_that_changes() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        unchanged(&mut observed);
        (desired(), observed)
    }
    check(base, &[
        ("Recreate deletes the recorded pair", |d, _| recreate(d, SECOND), "Delete"),
        ("not before it is known that another one may be imported", |d, _| {
            recreate(d, SECOND);
            d.limits.max_key_pairs = Some(3);
        }, "CountKeyPairs"),
        ("it may", |d, o| {
            recreate(d, SECOND);
            (d.limits.max_key_pairs, o.owned) = (Some(3), Some(2));
        }, "Delete"),
        ("it may not, since the account was edited", |d, o| {
            recreate(d, SECOND);
            (d.limits.max_key_pairs, o.owned) = (Some(3), Some(4));
        }, "Stalled AccountNotAllowed"),
        ("I7: after a live read", |d, o| {
            recreate(d, SECOND);
            o.pair = cached(Some(tagged(pair(FIRST), OWNER)));
        }, "Read pair live"),
        ("waits until it is gone", |d, o| {
            recreate(d, SECOND);
            o.pair = live(None);
            o.done.delete = Some(Operation { id: Some("a".to_owned()),
                status: Some("Started".to_owned()), ..Operation::default() });
        }, "Reconciling InProgress"),
        ("forgets it, by the write that states the next import",
         |d, o| { recreate(d, SECOND); o.pair = live(None); }, "WriteIntent"),
        ("I13: not while a deletion may still take effect that another process sent", |d, o| {
            recreate(d, SECOND);
            (o.pair, o.predecessors_may_act) = (live(None), time("2026-11-24T12:00:30Z"));
            o.recorded.deleted_at = Some(time("2026-11-24T11:59:55Z"));
        }, "Reconciling InProgress"),
        ("which sent none, if the pair was not deleted lately", |d, o| {
            recreate(d, SECOND);
            (o.pair, o.predecessors_may_act) = (live(None), time("2026-11-24T12:00:30Z"));
        }, "WriteIntent"),
        ("I13: nor while one of this process may be the second", |d, o| {
            recreate(d, SECOND);
            (o.pair, o.predecessors_may_act) = (live(None), time("2026-11-24T12:00:30Z"));
            let until = time("2026-11-24T12:00:30Z");
            o.deleted = Some(DeletedPair { pair: DeletedPair::digest(&pair(FIRST)), until });
        }, "Reconciling InProgress"),
        ("I1: nor while one may that this process sent", |d, o| {
            recreate(d, SECOND);
            (o.pair, o.deletion_may_follow) = (live(None), Some(time("2026-11-24T12:00:30Z")));
        }, "Reconciling InProgress"),
        ("and imports the new key", |d, o| {
            recreate(d, SECOND);
            o.pair = live(None);
            o.recorded = Recorded { intent: intent(SECOND), ..Recorded::default() };
            (o.done.intent, o.sent) = (Some(time(NOW)), None);
        }, "Import"),
        ("I1: Recreate never touches an adopted pair", |d, o| {
            recreate(d, SECOND);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Stalled PublicKeyChanged"),
        ("I1: nor one that is not as it was recorded", |d, o| {
            recreate(d, SECOND);
            o.recorded.fingerprint = Some("another".into());
        }, "Stalled FingerprintMismatch"),
        ("nor the same key", |d, _| recreate(d, FIRST), "Ready Imported"),
        ("the key of a tag is on record before it is set",
         |d, _| d.tags = tags(&[("team", "a")]), "RecordTagKeys"),
        ("a tag that is missing is set", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
        }, "Tag"),
        ("I7: not on a live read before a nap: another owner may have tagged it", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
            o.now = time("2026-11-24T12:00:06Z");
        }, "Read pair live"),
        ("a tag with another value is set", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
            o.pair = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "b")));
        }, "Tag"),
        ("an empty value is none", |d, o| {
            d.tags = tags(&[("team", "")]);
            let mut pair = tagged(pair(FIRST), OWNER);
            pair.tags.insert("team".to_owned(), None);
            o.pair = live(Some(pair));
        }, "Ready Imported"),
        ("a tag that is there is left", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.pair = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "a")));
        }, "Ready Imported"),
        ("a tag that was set once and is not wanted any more is taken off", |_, o| {
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
            o.pair = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "a")));
        }, "RemoveTags"),
        ("a tag of somebody else is left alone", |_, o| {
            o.pair = live(Some(with_tag(tagged(pair(FIRST), OWNER), "cost", "b")));
        }, "Ready Imported"),
    ]);
}

#[test]
fn a_suspended_object_says_what_it_would_do() {
    fn base() -> (Desired, Observed) {
        (Desired { suspend: true, ..desired() }, observed())
    }
    fn planned(change: fn(&mut Desired, &mut Observed)) -> Option<&'static str> {
        let (mut desired, mut observed) = base();
        change(&mut desired, &mut observed);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("the pass is over") };
        verdict.planned
    }
    check(base, &[
        ("it reads the pair", |_, _| {}, "Read pair"),
        ("and does nothing", |_, o| o.pair = live(None), "Suspended Suspended"),
        ("a settled one stays Ready", |_, o| unchanged(o), "Ready Imported"),
        ("a refusal is a refusal",
         |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("what a list shows is enough for it",
         |_, o| o.pair = cached(Some(pair(SECOND))), "Stalled NameConflict"),
        ("unless an import of it may still take effect", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), cached(Some(pair(SECOND))));
        }, "Read pair live"),
        ("deleting it releases the pair",
         |d, o| { unchanged(o); d.goal = Goal::ObjectDeleted; }, "ReadForRelease"),
        ("and then lets it go", |d, o| {
            unchanged(o);
            d.goal = Goal::ObjectDeleted;
            (o.account, o.pair) = (None, None);
            o.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        }, "Remove finalizer Released"),
    ]);
    assert_eq!(planned(|_, o| o.pair = live(None)), Some("Import"), "not the finalizer");
    assert_eq!(planned(|_, o| { unchanged(o); o.pair = live(Some(pair(FIRST))); }), Some("Tag"));
    assert_eq!(planned(|d, o| { unchanged(o); d.goal = Goal::Absent; }), Some("Delete"));
    assert_eq!(planned(|_, o| unchanged(o)), None);
    let policy = effective_deletion_policy(&base().0, Some(Origin::Imported));
    assert_eq!(policy, DeletionPolicy::Retain, "as its deletion releases the pair");
}

#[test]
fn a_public_key_that_stands_elsewhere() {
    fn base() -> (Desired, Observed) {
        let at = SourceRef { kind: SourceKind::ConfigMap, name: "keys".to_owned(),
            key: "fleet".to_owned() };
        let kind = DesiredPair::Imported { key: ImportedKey::From(at),
            replace: ReplacePolicy::Never };
        (Desired { pair: kind, ..desired() }, observed())
    }
    check(base, &[
        ("it is read first", |_, _| {}, "ReadSource"),
        ("what is missing may be on its way",
         |_, o| o.source = Some(PublicKeySource::Missing { since: o.now, has_object: false }),
         "Reconciling SourceNotFound"),
        ("after two minutes a person must act", |_, o| {
            o.source = Some(PublicKeySource::Missing { since: time("2026-11-24T11:58:00Z"),
                has_object: true });
        }, "Stalled SourceNotFound"),
        ("which is still said after a restart", |_, o| {
            o.stalled_for = Some(Reason::SourceNotFound);
            o.source = Some(PublicKeySource::Missing { since: o.now, has_object: true });
        }, "Stalled SourceNotFound"),
        ("not where something else was said", |_, o| {
            o.stalled_for = Some(Reason::SourceTooLarge);
            o.source = Some(PublicKeySource::Missing { since: o.now, has_object: true });
        }, "Reconciling SourceNotFound"),
        ("nobody reads what is too large to be a public key", |_, o| {
            o.source = Some(source(&vec![b'x'; 65_537]));
        }, "Stalled SourceTooLarge"),
        ("64 KiB are read", |_, o| {
            o.source = Some(source(&vec![b'x'; 65_536]));
        }, "Stalled InvalidPublicKey"),
        ("what is no public key is refused", |_, o| {
            o.source = Some(PublicKeySource::Found(Err(InvalidPublicKey::Private)));
        }, "Stalled InvalidPublicKey"),
        ("then it is as one in the spec",
         |_, o| o.source = Some(PublicKeySource::Found(PublicKey::parse(FIRST))), "Read pair"),
        ("another one is another key", |_, o| {
            unchanged(o);
            o.source = Some(PublicKeySource::Found(PublicKey::parse(SECOND)));
        }, "Stalled PublicKeyChanged"),
        ("a recorded pair is deleted without it",
         |d, o| { unchanged(o); d.goal = Goal::ObjectDeleted; }, "Delete"),
        ("one that is not recorded is known by it", |d, o| {
            o.has_finalizer = true;
            o.pair = live(Some(pair(FIRST)));
            d.goal = Goal::ObjectDeleted;
        }, "ReadSource"),
        ("and left alone if it is not there any more", |d, o| {
            o.has_finalizer = true;
            o.pair = live(Some(pair(FIRST)));
            o.source = Some(PublicKeySource::Missing { since: o.now, has_object: false });
            d.goal = Goal::ObjectDeleted;
        }, "Remove finalizer Released"),
    ]);
}

#[test]
fn what_an_object_is_stalled_for_counts_for_its_present_generation() {
    let object = |generation: i64, status: &str| -> crate::api::LightsailKeyPair {
        let condition = serde_json::json!({ "type": "Stalled", "status": status,
            "reason": "SourceNotFound", "message": "", "lastTransitionTime": NOW });
        serde_json::from_value(serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet", "generation": generation },
            "spec": { "type": "Imported", "region": "eu-west-1" },
            "status": { "observedGeneration": 1, "conditions": [condition] },
        }))
        .unwrap()
    };
    for (sentence, generation, status, expected) in [
        ("the present one", 1, "True", Some(Reason::SourceNotFound)),
        ("one that was edited since", 2, "True", None),
        ("what is over", 1, "False", None),
    ] {
        let found = crate::key_pair::record::stalled_for(&object(generation, status));
        assert_eq!(found, expected, "{sentence}");
    }
}

#[test]
fn what_is_missing_is_read_again_when_its_grace_ends() {
    let at = SourceRef { kind: SourceKind::ConfigMap, name: "keys".to_owned(),
        key: "fleet".to_owned() };
    let pair = DesiredPair::Imported { key: ImportedKey::From(at), replace: ReplacePolicy::Never };
    let desired = Desired { pair, ..desired() };
    let pause = |since: &str, grace| {
        let source = Some(PublicKeySource::Missing { since: time(since), has_object: false });
        let observed = Observed {
            source, timing: Timing { source_grace: grace, ..observed().timing }, ..observed() };
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it goes on") };
        (verdict.state, verdict.next)
    };
    let (minutes, after) = (Duration::from_mins(2),
        |seconds| (State::Reconciling, Next::After(Duration::from_secs(seconds))));
    assert_eq!(pause(NOW, minutes), after(2));
    assert_eq!(pause("2026-11-24T11:59:50Z", minutes), after(10), "later and later");
    assert_eq!(pause("2026-11-24T11:59:00Z", minutes), after(30), "but within half a minute");
    assert_eq!(pause("2026-11-24T11:58:02Z", minutes), after(2), "and not later than its end");
    assert_eq!(pause("2026-11-24T11:59:50Z", Duration::from_secs(10)).0, State::Stalled);
}

/// Whoever replaces an object as a whole takes its finalizer off. Without it, the pair would stay
/// when the object is deleted.
#[test]
fn a_finalizer_that_was_taken_off_comes_back_whatever_the_object_shows() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        unchanged(&mut observed);
        observed.has_finalizer = false;
        (desired(), observed)
    }
    check(base, &[
        ("all is well", |_, _| {}, "AddFinalizer"),
        ("the key was changed as well", |d, _| d.pair = with_key(SECOND), "AddFinalizer"),
        ("the key cannot be read", |d, _| d.pair = inline(Err(InvalidPublicKey::Data)),
         "AddFinalizer"),
        ("the pair was tagged by another owner",
         |_, o| o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet"))), "AddFinalizer"),
        ("its import may be under way",
         |_, o| o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() },
         "AddFinalizer"),
        ("and its pair not be there yet", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            (o.pair, o.sent) = (live(None), sent("2026-11-24T12:00:30Z", false));
        }, "AddFinalizer"),
        ("it has no pair, and may not have one", |d, o| {
            o.recorded = Recorded::default();
            d.pair = inline(Err(InvalidPublicKey::Data));
        }, "Stalled InvalidPublicKey"),
        ("it is suspended", |d, _| d.suspend = true, "Ready Imported"),
        ("it is too late", |d, _| d.goal = Goal::ObjectDeleted, "Leave"),
    ]);
}
