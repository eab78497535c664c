//! The rows of an imported pair that should be there, and of one that somebody else made.

use super::*;
use crate::api::Reason;
use crate::api::account::Adoption;

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn an_imported_pair_that_should_be_there() {
    check(|| (desired(), observed()), &[
        ("nothing is called before the account is known", |_, o| o.account = None, "Identify"),
        ("a read may come from the shared list", |_, _| {}, "Read pair"),
        ("but not if somebody asked for one now", |_, o| o.asked = true, "Read pair live"),
        ("nor if a change found none", |_, o| o.done.found_none = true, "Read pair live"),
        ("nor if the answer to a deletion does not tell how it is",
         |_, o| o.done.delete = Some(Operation::default()), "Read pair live"),
        ("one that named its operation does", |_, o| {
            o.done.delete = Some(Operation { id: Some("1".to_owned()), ..Operation::default() });
        }, "Read pair"),
        ("key pairs are counted if they have a limit", |d, o| {
            (o.pair, d.limits.max_key_pairs) = (cached(None), Some(3));
        }, "CountKeyPairs"),
        ("one too many costs no call of its own", |d, o| {
            (o.pair, d.limits.max_key_pairs, o.owned) = (cached(None), Some(3), Some(3));
        }, "Stalled AccountNotAllowed"),
        ("the finalizer comes before the import", |_, o| o.pair = cached(None), "AddFinalizer"),
        ("I12: an import is on record before it is sent",
         |_, o| { o.pair = cached(None); o.has_finalizer = true; }, "WriteIntent"),
        ("then it is sent", |_, o| {
            (o.pair, o.has_finalizer) = (cached(None), true);
            (o.recorded.intent, o.sent) = (intent(FIRST), None);
            o.done.intent = Some(time(NOW));
        }, "Import"),
        ("a process that slept since the intent writes another one", |_, o| {
            (o.pair, o.has_finalizer) = (live(None), true);
            o.recorded.intent = intent(FIRST);
            o.done.intent = Some(time(NOW));
            (o.now, o.sent) = (time("2026-11-24T12:00:31Z"), None);
        }, "WriteIntent"),
        ("I12: nothing is sent under an intent of another key", |_, o| {
            (o.pair, o.has_finalizer) = (cached(None), true);
            (o.done.intent, o.recorded.intent) = (Some(time(NOW)), intent(SECOND));
            o.sent = None;
        }, "WriteIntent"),
        ("each import has its own intent", |_, o| {
            (o.pair, o.has_finalizer) = (live(None), true);
            o.recorded.intent = intent(FIRST);
            o.sent = None;
        }, "WriteIntent"),
        ("an import that may have been sent before is waited for", |_, o| {
            (o.pair, o.has_finalizer) = (live(None), true);
            o.recorded.intent = intent(SECOND);
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Reconciling InProgress"),
        ("a read from before it was over says nothing", |_, o| {
            (o.pair, o.has_finalizer) = (live(None), true);
            o.recorded.intent = intent(SECOND);
            (o.now, o.sent) = (time("2026-11-24T12:00:09Z"), sent("2026-11-24T12:00:05Z", false));
        }, "Read pair live"),
        ("I1: nor does a list, which may be older than it says", |_, o| {
            (o.pair, o.has_finalizer) = (cached(None), true);
            (o.recorded.intent, o.sent) = (intent(FIRST), sent(NOW, false));
        }, "Read pair live"),
        ("a list does if nothing was sent since the intent", |_, o| {
            (o.pair, o.has_finalizer) = (cached(None), true);
            (o.recorded.intent, o.sent) = (intent(FIRST), None);
        }, "WriteIntent"),
        ("and then stated again", |_, o| {
            (o.pair, o.has_finalizer) = (live(None), true);
            o.recorded.intent = intent(FIRST);
            o.sent = sent(NOW, false);
        }, "WriteIntent"),
        ("a private key is refused before any call", |d, o| {
            d.pair = inline(Err(InvalidPublicKey::Private));
            o.pair = cached(None);
        }, "Stalled InvalidPublicKey"),
        ("a name that cannot be is refused before any call", |d, o| {
            d.invalid_name = Some(InvalidName::Length("a".into()));
            o.account = None;
        }, "Stalled InvalidName"),
        ("an answered import that is not to be seen yet is waited for", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::Accepted(Operation { status: Some("Started".to_owned()),
                ..Operation::default() }));
        }, "Reconciling InProgress"),
        ("an import that failed in Lightsail is said", |_, o| {
            o.pair = live(None);
            o.done.import = Some(Imported::Accepted(Operation { status: Some("Failed".to_owned()),
                ..Operation::default() }));
        }, "Stalled OperationFailed"),
        ("a name that another type of resource has is a conflict", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
        }, "Stalled NameConflict"),
        ("not if its own pair had it a moment ago", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
            o.recorded.deleted_at = Some(time(NOW));
        }, "Reconciling InProgress"),
        ("it is if that was long ago", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
            o.recorded.deleted_at = Some(time("2026-11-24T11:49:00Z"));
        }, "Stalled NameConflict"),
        ("Lightsail may not show what was imported lately", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
            o.recorded.imported_at = Some(time("2026-11-24T11:58:00Z"));
        }, "Reconciling InProgress"),
        ("not what was imported long ago", |_, o| {
            o.has_finalizer = true;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
            o.recorded.imported_at = Some(time("2026-11-24T11:49:00Z"));
        }, "Stalled NameConflict"),
        ("an imported pair is tagged", |_, o| {
            (o.has_finalizer, o.recorded.intent) = (true, intent(FIRST));
            o.pair = live(Some(pair(FIRST)));
            o.done.import = Some(Imported::Accepted(Operation::default()));
        }, "Tag"),
        ("an imported pair without a fingerprint is tagged too", |_, o| {
            (o.has_finalizer, o.recorded.intent) = (true, intent(FIRST));
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
            o.done.import = Some(Imported::Accepted(Operation::default()));
            o.sent = sent("2026-11-24T12:00:30Z", true);
        }, "Tag"),
        ("I1: a pair with another key that took the name after the import is not", |_, o| {
            (o.has_finalizer, o.recorded.intent) = (true, intent(FIRST));
            o.pair = live(Some(pair(SECOND)));
            o.done.import = Some(Imported::Accepted(Operation::default()));
        }, "Stalled NameConflict"),
        ("a settled pair is Ready", |_, o| unchanged(o), "Ready Imported"),
        ("an edited object does not wait until a list is read", |_, o| {
            unchanged(o);
            (o.pair, o.edited, o.list_at_hand) = (None, true, false);
        }, "Read pair live"),
        ("it takes the list that is there",
         |_, o| { unchanged(o); (o.pair, o.edited) = (None, true); }, "Read pair"),
        ("one that was not edited waits for the list",
         |_, o| { unchanged(o); (o.pair, o.list_at_hand) = (None, false); }, "Read pair"),
        ("so does one that has no pair yet, where one page or nothing is known",
         |_, o| (o.edited, o.list_at_hand, o.list_pages) = (true, false, 1), "Read pair"),
        ("where a list has more pages, it reads its own", |_, o| {
            (o.edited, o.list_at_hand, o.list_pages) = (true, false, 2);
        }, "Read pair live"),
        ("one of many does not, as long as a list is cheaper for all", |_, o| {
            (o.edited, o.list_at_hand, o.list_pages) = (true, false, 299);
            (o.crowd.own.coming, o.crowd.all.coming) = (6, 300);
        }, "Read pair"),
        ("one of few does, whatever other namespaces do", |_, o| {
            (o.edited, o.list_at_hand, o.list_pages) = (true, false, 299);
            (o.crowd.own.coming, o.crowd.all.coming) = (5, 300);
        }, "Read pair live"),
        ("it holds no place of a change until the list is read", |_, o| {
            (o.edited, o.list_at_hand, o.list_takes_long) = (true, false, true);
            (o.crowd.own.coming, o.crowd.all.coming, o.list_pages) = (300, 300, 2);
        }, "Pause InProgress"),
        ("one that is suspended waits for the list", |d, o| {
            (o.edited, o.list_at_hand, o.list_pages, d.suspend) = (true, false, 2, true);
        }, "Read pair"),
        ("so does one that is counted with the same list", |d, o| {
            (o.edited, o.list_at_hand, o.list_pages) = (true, false, 2);
            d.limits.max_key_pairs = Some(3);
        }, "Read pair"),
        ("nor does it for a count", |d, o| {
            d.limits.max_key_pairs = Some(3);
            (o.pair, o.list_takes_long) = (live(None), true);
            o.list_at_hand = false;
        }, "Pause InProgress"),
        ("who counts with the list that is there does so", |d, o| {
            d.limits.max_key_pairs = Some(3);
            (o.pair, o.list_takes_long) = (live(None), true);
        }, "CountKeyPairs"),
        ("a settled pair in the shared list is Ready", |_, o| {
            unchanged(o);
            o.pair = cached(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Imported"),
        ("a tag that was taken off is put back",
         |_, o| { unchanged(o); o.pair = live(Some(pair(FIRST))); }, "Tag"),
        ("a finalizer that was stripped is put back",
         |_, o| { unchanged(o); o.has_finalizer = false; }, "AddFinalizer"),
        ("a pair that seems to be gone is looked for live",
         |_, o| { unchanged(o); o.pair = cached(None); }, "Read pair live"),
        ("a pair that was made a moment ago may only not be visible yet", |_, o| {
            unchanged(o);
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
        }, "Reconciling InProgress"),
        ("nor is another pair that is shown until then", |_, o| {
            unchanged(o);
            let other = KeyPair { arn: "arn:before".into(), ..pair(FIRST) };
            (o.pair, o.timing.settle_time) = (live(Some(other)), Duration::from_mins(1));
        }, "Reconciling InProgress"),
        ("what a list shows is read again", |_, o| {
            unchanged(o);
            let other = KeyPair { arn: "arn:before".into(), ..pair(FIRST) };
            (o.pair, o.timing.settle_time) = (cached(Some(other)), Duration::from_mins(1));
        }, "Read pair live"),
        ("after that it is somebody's", |_, o| {
            unchanged(o);
            o.pair = live(Some(KeyPair { arn: "arn:before".into(), ..pair(FIRST) }));
        }, "RecordAdoption"),
        ("by Lightsail's clock it was made long ago", |_, o| {
            unchanged(o);
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
            o.lightsail_date = Some(time("2026-11-24T12:01:00Z"));
        }, "WriteIntent"),
        ("a pair that is gone is forgotten before another is imported",
         |_, o| { unchanged(o); o.pair = live(None); }, "WriteIntent"),
        ("another key in the spec replaces nothing", |d, o| {
            unchanged(o);
            d.pair = with_key(SECOND);
        }, "Stalled PublicKeyChanged"),
        ("another key is noticed without a fingerprint", |d, o| {
            unchanged(o);
            d.pair = with_key(SECOND);
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Stalled PublicKeyChanged"),
        ("another comment is no other key", |d, o| {
            unchanged(o);
            d.pair = with_key(&FIRST.replace("first", "renamed"));
        }, "Ready Imported"),
        ("an unknown fingerprint is Ready", |_, o| {
            unchanged(o);
            o.pair = live(Some(KeyPair { fingerprint: Some("of a new form".into()),
                ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Imported"),
        ("another owner's tag on the own pair is no tug of war", |_, o| {
            unchanged(o);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn an_imported_pair_that_somebody_else_made() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.pair = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()),
            ..pair(FIRST) }));
        (desired(), observed)
    }
    check(base, &[
        ("the same key is adopted, the finalizer first", |_, _| {}, "AddFinalizer"),
        ("an adoption follows a live read", |_, o| {
            (o.has_finalizer, o.pair) = (true, cached(o.pair.clone().and_then(|it| it.pair)));
        }, "Read pair live"),
        ("key pairs are counted before one is adopted",
         |d, _| d.limits.max_key_pairs = Some(3), "CountKeyPairs"),
        ("one too many is not", |d, o| {
            (d.limits.max_key_pairs, o.owned) = (Some(3), Some(3));
        }, "Stalled AccountNotAllowed"),
        ("an adoption is recorded before it is tagged",
         |_, o| o.has_finalizer = true, "RecordAdoption"),
        ("a recorded adoption is tagged", |_, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
        }, "Tag"),
        ("and counted as well", |d, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            d.limits.max_key_pairs = Some(3);
        }, "CountKeyPairs"),
        ("and is then Ready", |_, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Adopted"),
        ("also without a fingerprint", |_, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Adopted"),
        ("an adoption that came to nothing is forgotten before an import", |_, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(None);
        }, "WriteIntent"),
        ("not by what a list shows", |_, o| {
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = cached(None);
        }, "Read pair live"),
        ("Never leaves it alone",
         |d, _| d.adoption = AdoptionPolicy::Never, "Stalled NameConflict"),
        ("TakeOver ignores another owner's tag", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "AddFinalizer"),
        ("and puts this object's in its place", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.has_finalizer = true;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Tag"),
        ("but never another key", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(tagged(pair(SECOND), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("nor one whose key is not known", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST),
                "other/team-a/fleet") }));
        }, "Stalled NameConflict"),
        ("and not twice", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            unchanged(o);
            o.recorded = recorded(&pair(FIRST), Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
        ("nor a pair of another owner in the place of its own", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            unchanged(o);
            let another = KeyPair { arn: "arn:another".into(), ..pair(FIRST) };
            o.pair = live(Some(tagged(another, "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("an adopted pair is Ready as that", |_, o| {
            unchanged(o);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Ready Adopted"),
        ("one in its place is recorded before it is tagged", |_, o| {
            unchanged(o);
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(KeyPair { arn: "arn:another".into(), ..pair(FIRST) }));
        }, "RecordAdoption"),
        ("a pair that is older than the object is not the object's own",
         |_, o| o.has_finalizer = true, "RecordAdoption"),
        ("another key is a conflict",
         |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("a conflict is not said on old news",
         |_, o| o.pair = cached(Some(pair(SECOND))), "Read pair live"),
        ("another owner's pair is a conflict", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("our tag on another key is a conflict",
         |_, o| o.pair = live(Some(tagged(pair(SECOND), OWNER))), "Stalled NameConflict"),
        ("another object that records the pair comes first", |_, o| {
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("another object that is on its way out is waited for", |_, o| {
            o.rivals = vec![Rival { deleting: true, ..rival("z", Some("arn:own")) }];
        }, "Reconciling WaitingForOwner"),
        ("nor does it ask Lightsail for that", |_, o| {
            (o.pair, o.rivals) = (cached(Some(pair(FIRST))), vec![rival("z", Some("arn:own"))]);
        }, "Stalled NameConflict"),
        ("one that records nothing comes first only by a live read", |_, o| {
            (o.pair, o.rivals) = (cached(None), vec![rival("a", None)]);
        }, "Read pair live"),
        ("an older one does not come before one whose own pair is not visible yet", |_, o| {
            (o.recorded.intent, o.sent) = (intent(FIRST), sent("2026-11-24T12:00:30Z", true));
            (o.has_finalizer, o.pair) = (true, live(None));
            o.rivals = vec![rival("a", None)];
        }, "Reconciling InProgress"),
        ("nor before one whose pair on record is not", |_, o| {
            unchanged(o);
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
            o.rivals = vec![rival("a", None)];
        }, "Reconciling InProgress"),
        ("of two objects of one age the smaller uid comes first",
         |_, o| o.rivals = vec![rival("a", None)], "Stalled NameConflict"),
        ("and the greater one waits for it",
         |_, o| o.rivals = vec![rival("c", None)], "AddFinalizer"),
    ]);
}

#[test]
fn an_adopted_pair_says_that_it_stays_if_only_the_default_says_so() {
    let kept = Limits { adoption: Adoption::Retain, ..Limits::default() };
    for (name, policy, limits, expected) in [
        ("nothing is said", None, Limits::default(), true),
        ("the spec says so", Some(DeletionPolicy::Retain), Limits::default(), false),
        ("it says the contrary", Some(DeletionPolicy::Delete), Limits::default(), false),
        ("the account does not allow the contrary", None, kept, false),
    ] {
        let (mut desired, mut observed) = (desired(), observed());
        unchanged(&mut observed);
        observed.recorded.origin = Some(Origin::Adopted);
        (desired.deletion_policy, desired.limits) = (policy, limits);
        let effective = effective_deletion_policy(&desired, observed.recorded.origin);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("{name}") };
        assert_eq!(verdict.reason, Reason::Adopted, "{name}");
        let says = verdict.message.ends_with("it stays when you delete this object, unless you set \
                                              deletionPolicy: Delete");
        assert_eq!(says, expected, "{name}: {}", verdict.message);
        assert!(!says || effective == DeletionPolicy::Retain, "{name}");
    }
}
