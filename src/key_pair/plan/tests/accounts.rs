//! Objects that use an account: what they may do, and what they may not.

use serde_json::json;

use super::*;
use crate::access::tests::{account, of_spec, used};
use crate::engine::action::Next;
use crate::key_pair::world::Goal;

mod allowed;

/// Uses an account that allows much, but for what these members of `allowed` say.
fn uses(desired: &mut Desired, observed: &mut Observed, allowed: &serde_json::Value) {
    observed.grant = used(account(allowed));
    desired.limits = Limits::of(&observed.grant, "team-a");
}

fn with_account() -> (Desired, Observed) {
    let (mut desired, mut observed) = (desired(), observed());
    uses(&mut desired, &mut observed, &json!({}));
    (desired, observed)
}

fn by_labels(observed: &mut Observed) {
    observed.grant = used(of_spec(&json!({
        "accountID": "123456789012",
        "allowedNamespaces": { "from": "Selector", "selector": { "matchLabels": { "team": "a" } } },
        "allowed": { "regions": ["eu-west-1"], "keyPairNames": ["*"] },
    })));
}

fn is_deleting(observed: &mut Observed) {
    let Grant::Account(entry) = &observed.grant else { panic!() };
    observed.grant = used(Entry { is_deleting: true, ..Entry::clone(entry) });
}

fn not_for_this_region(desired: &mut Desired, observed: &mut Observed) {
    uses(desired, observed, &json!({ "regions": ["us-east-1"] }));
}

#[test]
fn whether_it_may_use_the_account_comes_before_all_else() {
    check(with_account, &[
        ("it may", |_, _| {}, "Read pair"),
        ("without an account, and none is needed", |_, o| o.grant = Grant::Operator, "Read pair"),
        ("without one, and one is needed", |_, o| o.grant = Grant::Required,
         "Stalled AccountRequired"),
        ("there is no such account", |_, o| o.grant = Grant::Missing("production".into()),
         "Stalled AccountNotFound"),
        ("it is for other namespaces", |d, _| d.owner = "cluster/team-b/fleet".into(),
         "Stalled AccountNotFound"),
        ("it is for other regions", not_for_this_region, "Stalled AccountNotAllowed"),
        ("for other types", |d, o| uses(d, o, &json!({ "types": ["Generated"] })),
         "Stalled AccountNotAllowed"),
        ("for other names", |d, o| uses(d, o, &json!({ "keyPairNames": ["$(namespace)_*"] })),
         "Stalled AccountNotAllowed"),
        ("for nobody who takes over", |d, _| d.adoption = AdoptionPolicy::TakeOver,
         "Stalled AccountNotAllowed"),
        ("that is asked before the account is identified",
         |d, o| { not_for_this_region(d, o); o.account = None; }, "Stalled AccountNotAllowed"),
        ("and before it is said what a suspended object would do",
         |d, o| { not_for_this_region(d, o); d.suspend = true; }, "Stalled AccountNotAllowed"),
        ("the labels of the namespace are read", |_, o| by_labels(o), "ReadNamespace"),
        ("and compared",
         |_, o| { by_labels(o); o.namespace_labels = Some(tags(&[("team", "b")])); },
         "Stalled AccountNotFound"),
        ("and allow it",
         |_, o| { by_labels(o); o.namespace_labels = Some(tags(&[("team", "a")])); }, "Read pair"),
        ("an account that is being deleted takes nobody new", |_, o| is_deleting(o),
         "Stalled AccountNotReady"),
        ("a finalizer, which users can set, makes no difference",
         |_, o| { is_deleting(o); o.has_finalizer = true; }, "Stalled AccountNotReady"),
        ("nor does it that the account was looked up",
         |_, o| { is_deleting(o); o.recorded.account = Some("123456789012".into()); },
         "Stalled AccountNotReady"),
        ("it serves those that have a pair in it", |_, o| {
            is_deleting(o);
            (o.has_finalizer, o.recorded) = (true, recorded(&pair(FIRST), Origin::Imported));
        }, "Read pair"),
        ("and those that had one", |d, o| {
            is_deleting(o);
            (d.goal, o.recorded.account) = (Goal::Absent, Some("123456789012".into()));
        }, "Read pair live"),
        ("and those whose pair no list shows yet", |_, o| {
            is_deleting(o);
            o.unlisted_until = Some(time("2026-11-24T12:00:30Z"));
        }, "Read pair"),
        ("as long as that may be", |_, o| {
            is_deleting(o);
            o.unlisted_until = Some(time("2026-11-24T11:59:30Z"));
        }, "Stalled AccountNotReady"),
        ("and the deletion of all", |d, o| {
            is_deleting(o);
            o.has_finalizer = true;
            d.goal = Goal::ObjectDeleted;
        }, "Read pair live"),
        ("a recorded account stays", |_, o| o.recorded.account = Some("999999999999".into()),
         "Stalled WrongAccount"),
    ]);
}

#[test]
fn a_namespace_that_lacks_a_label_may_get_it_soon() {
    for (names_labels, expected) in [(true, true), (false, false)] {
        let (mut desired, mut observed) = with_account();
        if names_labels {
            by_labels(&mut observed);
            observed.namespace_labels = Some(tags(&[("team", "b")]));
        } else {
            desired.owner = "cluster/team-b/fleet".into();
        }
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it is refused") };
        assert_eq!(verdict.reason, crate::api::Reason::AccountNotFound);
        assert_eq!(matches!(verdict.next, Next::BackoffWithin(_)), expected, "{verdict:?}");
    }
}

fn with_secret(d: &mut Desired, delete_with_object: bool) {
    d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519,
        secret: SecretSpec { delete_with_object, ..kept() }, replace: ReplacePolicy::Never };
}

#[test]
fn an_object_that_has_a_pair_is_told_how_to_use_another_account() {
    type Change = fn(&mut Desired, &mut Observed);
    let says = |change: Change| {
        let (mut desired, mut observed) = with_account();
        unchanged(&mut observed);
        observed.grant = Grant::Missing("production".into());
        change(&mut desired, &mut observed);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
        verdict.message
    };
    let again = "set deletionPolicy: Retain, delete this object, and create it again";
    let with_key = "set deletionPolicy: Retain and secret.deleteWithObject: false, delete this \
                    object, and create it again";
    let new = "create a new object";
    let cases: [(&str, Change, &str); 7] = [
        ("with a pair", |_, _| {}, again),
        ("with a Secret that stays", |d, _| with_secret(d, false), again),
        ("with one that would go", |d, _| with_secret(d, true), with_key),
        ("with an intent", |_, o| {
            (o.recorded, o.recorded.intent) = (Recorded::default(), intent(FIRST));
        }, again),
        ("with nothing", |_, o| o.recorded = Recorded::default(), new),
        ("with a pair in another account", |_, o| {
            o.grant = with_account().1.grant;
            o.recorded.account = Some("999999999999".into());
        }, again),
        ("with nothing there", |_, o| {
            o.grant = with_account().1.grant;
            o.recorded = Recorded { account: Some("999999999999".into()), ..Recorded::default() };
        }, new),
    ];
    for (name, change, expected) in cases {
        let message = says(change);
        assert!(message.contains(expected), "{name}: {message}");
        assert_eq!(message.contains(new), expected == new, "{name}: {message}");
    }
}

#[test]
fn what_is_edited_meanwhile_is_read_again_before_a_change() {
    check(with_account, &[
        ("a read goes on", |_, o| o.changed_meanwhile = true, "Read pair"),
        ("nothing is written", |_, o| {
            (o.changed_meanwhile, o.pair) = (true, live(None));
        }, "StartOver"),
        ("nothing is tagged", |_, o| {
            unchanged(o);
            (o.changed_meanwhile, o.pair) = (true, live(Some(pair(FIRST))));
        }, "StartOver"),
        ("nor deleted", |d, o| {
            unchanged(o);
            (o.changed_meanwhile, d.goal) = (true, Goal::ObjectDeleted);
        }, "StartOver"),
        ("a pair that was imported just now gets its tags", |_, o| {
            unchanged(o);
            o.done.import = Some(Imported::Accepted(Operation::default()));
            (o.changed_meanwhile, o.pair) = (true, live(Some(pair(FIRST))));
        }, "Tag"),
        ("not where the name was taken", |_, o| {
            unchanged(o);
            o.done.import = Some(Imported::NameTaken);
            (o.changed_meanwhile, o.pair) = (true, live(Some(pair(FIRST))));
        }, "StartOver"),
        ("a suspended object says what it would do", |d, o| {
            (o.changed_meanwhile, d.suspend, o.pair) = (true, true, live(None));
        }, "Suspended Suspended"),
        ("what has nothing to do is Ready", |_, o| { unchanged(o); o.changed_meanwhile = true; },
         "Ready Imported"),
    ]);
}

fn deleted() -> (Desired, Observed) {
    let (mut desired, mut observed) = with_account();
    unchanged(&mut observed);
    not_for_this_region(&mut desired, &mut observed);
    desired.goal = Goal::ObjectDeleted;
    desired.deleted_at = Some(time("2026-11-24T11:58:00Z"));
    observed.namespace_terminating = Some(false);
    (desired, observed)
}

#[test]
fn who_needs_an_account_names_it_and_is_told_of_nothing_else() {
    let observed = Observed { grant: Grant::Required, ..observed() };
    let Step::Finish(verdict) = plan(&desired(), &observed) else { panic!("it needs one") };
    assert!(verdict.message.contains("set spec.accountRef.name"), "{}", verdict.message);
    assert!(!verdict.message.contains("HostKeyReset"), "{}", verdict.message);
}

#[test]
fn what_is_not_allowed_any_more_makes_no_call_at_deletion() {
    check(deleted, &[
        ("it stays", |_, _| {}, "Stalled AccountNotAllowed"),
        ("until a person releases it", |d, _| d.deletion_policy = Some(DeletionPolicy::Retain),
         "Remove finalizer Released"),
        ("or had suspended it", |d, _| d.suspend = true, "Remove finalizer Released"),
        ("an adopted one is released immediately",
         |_, o| o.recorded.origin = Some(Origin::Adopted), "Remove finalizer Released"),
        ("whether a person can is read first", |_, o| o.namespace_terminating = None,
         "ReadNamespace"),
        ("nobody can", |_, o| o.namespace_terminating = Some(true), "Remove finalizer Released"),
        ("but not immediately", |d, o| {
            o.namespace_terminating = Some(true);
            d.deleted_at = Some(time("2026-11-24T11:59:30Z"));
        }, "Stalled AccountNotAllowed"),
        ("it never acted", |_, o| o.has_finalizer = false, "Leave"),
        ("the account is back", |d, o| uses(d, o, &json!({})), "Delete"),
    ]);
    let (desired, observed) = deleted();
    let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
    // Its namespace may be deleted next, which no watch reports.
    assert_eq!(verdict.next, Next::After(Duration::from_mins(1)));
    let command = "kubectl patch lightsailkeypair fleet -n team-a --type merge -p \
                   '{\"spec\":{\"deletionPolicy\":\"Retain\"}}'";
    assert!(verdict.message.contains(command), "{}", verdict.message);
}

#[test]
fn an_object_that_may_not_use_its_account_is_released_with_what_is_known_of_its_pair() {
    type Change = fn(&mut Desired, &mut Observed);
    let gone: Change = |_, o| o.namespace_terminating = Some(true);
    let retained: Change = |d, _| d.deletion_policy = Some(DeletionPolicy::Retain);
    for (name, change, has_record, expected, counts) in [
        ("retained", retained, true, "the key pair stays in Lightsail", false),
        ("retained, and nothing is on record", retained, false, "no key pair on record", false),
        ("with its namespace", gone, true, "the key pair stays in Lightsail", true),
        ("so, and nothing is on record", gone, false, "no key pair on record", false),
    ] {
        let (mut desired, mut observed) = deleted();
        if !has_record {
            observed.recorded = Recorded::default();
        }
        change(&mut desired, &mut observed);
        let Step::RemoveFinalizer { message, abandons, .. } = plan(&desired, &observed) else {
            panic!("{name}")
        };
        assert!(message.contains(expected), "{name}: {message}");
        assert!(!message.contains("with its owner tag"), "{name}: {message}");
        assert_eq!(abandons, counts, "{name}");
    }
}

#[test]
fn who_reads_that_an_account_fails_is_sent_to_where_the_answer_is() {
    for (is_tagged, names_log) in [(false, false), (true, true)] {
        let (desired, mut observed) = with_account();
        let Grant::Account(entry) = &observed.grant else { panic!() };
        let mut entry = Entry::clone(entry);
        entry.route.tagged_cluster = is_tagged.then(|| "cluster".to_owned());
        observed.grant = used(entry);
        session_fails(&mut observed, error(ErrorKind::BadCredentials));
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
        let message = verdict.message;
        assert_eq!(message.contains("the operator's log"), names_log, "{message}");
    }
}

fn never(desired: &mut Desired, observed: &mut Observed) {
    uses(desired, observed, &json!({ "adoption": "Never" }));
}

fn retain(desired: &mut Desired, observed: &mut Observed) {
    uses(desired, observed, &json!({ "adoption": "Retain" }));
}

pub(super) fn error(kind: ErrorKind) -> lightsail::Error {
    let message = "User: arn:aws:sts::123456789012:assumed-role/secret-name is not authorized";
    lightsail::Error { code: "AccessDeniedException".to_owned(), message: message.to_owned(),
        ..lightsail::Error::of_kind(kind) }
}

/// The session of the account fails.
fn session_fails(observed: &mut Observed, error: lightsail::Error) {
    (observed.account, observed.failure) = (None, Some(Failure::Lightsail(error)));
}

#[test]
fn a_session_that_fails_flips_nobody_soon_and_what_aws_says_is_not_for_tenants() {
    check(with_account, &[
        ("its credentials are refused",
         |_, o| session_fails(o, error(ErrorKind::BadCredentials)), "Stalled AccountNotReady"),
        ("they are late", |_, o| session_fails(o, lightsail::Error::timeout()),
         "Reconciling AccountNotReady"),
        ("the operator does not serve the region",
         |_, o| session_fails(o, error(ErrorKind::RegionNotAllowed)), "Stalled RegionNotAllowed"),
        ("of one that was acted on", |_, o| {
            session_fails(o, error(ErrorKind::BadCredentials));
            (o.was_acted_on, o.silent_for) = (true, Duration::from_mins(29));
        }, "Pause AccountNotReady"),
        ("for long", |_, o| {
            session_fails(o, error(ErrorKind::BadCredentials));
            (o.was_acted_on, o.silent_for) = (true, Duration::from_mins(30));
        }, "Stalled AccountNotReady"),
        ("a call is denied", |_, o| o.failure = Some(Failure::Lightsail(error(ErrorKind::Denied))),
         "Stalled AccessDenied"),
    ]);
    for account in [None, with_account().1.account] {
        let (desired, mut observed) = with_account();
        observed.account = account;
        observed.failure = Some(Failure::Lightsail(error(ErrorKind::Denied)));
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
        assert!(!verdict.message.contains("arn:aws"), "{}", verdict.message);
        assert!(verdict.message.contains("AccessDeniedException"), "{}", verdict.message);
    }
}

#[test]
fn what_aws_says_of_a_tag_that_stays_is_not_for_tenants() {
    type Change = fn(&mut Observed);
    let changes: [Change; 2] = [
        |o| o.done.read_for_release = Some(Err(error(ErrorKind::Denied))),
        |o| {
            o.done.read_for_release = Some(Ok(Some(tagged(pair(FIRST), OWNER))));
            o.done.tag_release = Some(Err(error(ErrorKind::Denied)));
        },
    ];
    for change in changes {
        let (mut desired, mut observed) = with_account();
        unchanged(&mut observed);
        desired.goal = Goal::ObjectDeleted;
        desired.deletion_policy = Some(DeletionPolicy::Retain);
        change(&mut observed);
        let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else { panic!() };
        assert!(!message.contains("arn:aws"), "{message}");
        assert!(message.contains("AccessDeniedException: ask whoever manages"), "{message}");
    }
}

#[test]
fn nobody_is_asked_about_a_tag_that_stays_because_there_was_no_response_in_time() {
    let of_client = "lightsail.eu-west-1.amazonaws.com did not respond within 4s";
    for (name, error) in [
        ("the operator gave up", lightsail::Error::timeout()),
        ("the SDK did, after it had sent the request",
         lightsail::Error { operation: Some("GetKeyPair"), ..lightsail::Error::timeout() }),
        ("the client did",
         lightsail::Error { message: of_client.to_owned(), ..lightsail::Error::timeout() }),
    ] {
        let (mut desired, mut observed) = with_account();
        unchanged(&mut observed);
        desired.goal = Goal::ObjectDeleted;
        desired.deletion_policy = Some(DeletionPolicy::Retain);
        observed.done.read_for_release = Some(Err(error));
        let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else { panic!() };
        assert!(message.ends_with("Timeout: no response in time"), "{name}: {message}");
    }
}
