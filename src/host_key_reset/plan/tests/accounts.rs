//! Resets that use an account.

use serde_json::json;

use super::*;
use crate::access::Limits;
use crate::access::tests::{account, used};

/// Uses an account that allows resets of instances with the namespace in a tag.
fn uses(desired: &mut Desired, observed: &mut Observed) {
    let tags = json!({ "instanceTags": { "team": "$(namespace)" } });
    observed.grant = used(account(&json!({ "hostKeyReset": tags })));
    desired.instance_tags = Limits::of(&observed.grant, "team-a").instance_tags;
}

/// Says this for now.
fn shows(observed: &mut Observed, reason: Reason) {
    let conditions = Conditions::new(&[], 1, observed.now).with(READY, "False", reason, "");
    observed.status.conditions = conditions.into_list();
}

#[test]
fn who_manages_the_account_keeps_the_name_of_its_role() {
    for (uses_account, shown) in [(false, true), (true, false)] {
        let mut observed = observed();
        found(&mut observed);
        observed.operations = Some((Vec::new(), observed.now));
        if uses_account {
            observed.grant = used(account(&json!({})));
        }
        let Step::WriteIntent { shows_caller, .. } = plan(&desired(), &observed) else {
            panic!("nothing stands in the way");
        };
        assert_eq!(shows_caller, shown);
    }
}

#[test]
fn the_labels_of_the_namespace_are_read_before_anything_of_aws() {
    let mut entry = account(&json!({}));
    entry.spec.allowed_namespaces = serde_json::from_value(json!({ "from": "Selector",
        "selector": { "matchLabels": { "team": "a" } } })).unwrap();
    let mut observed = Observed { grant: used(entry), account: None, ..observed() };
    assert_eq!(plan(&desired(), &observed), Step::ReadNamespace);
    observed.namespace_labels = Some([("team".to_owned(), "a".to_owned())].into());
    assert_eq!(plan(&desired(), &observed), Step::Read(ReadStep::Identify));
}

/// Its spec cannot be edited.
#[test]
fn who_needs_an_account_creates_a_new_reset() {
    let observed = Observed { grant: Grant::Required, ..observed() };
    let Step::Wait(verdict) = plan(&desired(), &observed) else { panic!("it needs one") };
    assert!(verdict.message.contains("create a new HostKeyReset"), "{}", verdict.message);
    assert!(verdict.message.contains("accounts.unscopedNamespaces"), "{}", verdict.message);
}

#[test]
fn i6_nobody_whose_call_may_have_been_made_is_told_to_create_another_reset() {
    let missing = || Grant::Missing("own".into());
    let of_other = || used(account(&json!({ "hostKeyReset": { "instanceTags": {} } })));
    for (grant, recorded) in
        [(Grant::Required, None), (missing(), None), (of_other(), Some("210000000000"))] {
        for is_begun in [false, true] {
            let mut observed = Observed { grant: grant.clone(), ..observed() };
            if is_begun {
                begun(&mut observed);
                let (intent, since) = (observed.intent_date(), Some(observed.now));
                observed.search = Search { intent, since, first_list: None };
            }
            observed.status.account_id = recorded.map(str::to_owned);
            let step = plan(&desired(), &observed);
            let (Step::Wait(verdict) | Step::Progress { verdict, .. }) = &step else {
                panic!("{grant:?} {is_begun}: {step:?}")
            };
            let message = &verdict.message;
            assert_eq!(message.contains("create a new"), !is_begun, "{message}");
            let asks = message.contains("the accounts before you create another HostKeyReset");
            assert_eq!(asks, is_begun, "{message}");
            if !is_begun {
                continue;
            }
            assert!(message.contains("whether Lightsail accepted the call"), "{message}");
            observed.status.operations = vec![operation("a", "Started", "2026-11-24T12:00:00Z")];
            let Step::Progress { verdict, .. } = plan(&desired(), &observed) else {
                panic!("it is followed")
            };
            let message = &verdict.message;
            assert!(message.contains("find out how the operation ended; ask"), "{message}");
        }
    }
}

#[test]
fn what_an_account_does_not_allow_is_not_called() {
    check(&[
        ("without tags, it allows it immediately",
         |_, o| o.grant = used(account(&json!({}))), "TakeTurn"),
        ("with tags, the instance comes before a turn at it", uses, "FindSharedInstance"),
        ("somebody who asks for a reconciliation now gets a read of now",
         |d, o| { uses(d, o); o.asked = true; }, "FindInstance"),
        ("who has its turn reads by itself", |d, o| {
            uses(d, o);
            let read = looked(web(&[("team", "team-a")]), o.now);
            o.instance = read.map(|read| InstanceRead { shared: true, ..read });
            o.turn = Turn::Taken;
        }, "FindInstance"),
        ("which has them", |d, o| {
            uses(d, o);
            o.instance = looked(web(&[("team", "team-a")]), o.now);
        }, "TakeTurn"),
        ("and which does not, and nobody takes a turn", |d, o| {
            uses(d, o);
            o.instance = looked(web(&[("team", "team-b")]), o.now);
        }, "Wait AccountNotAllowed"),
        ("of whose ARN nothing is said either", |d, o| {
            uses(d, o);
            d.instance_arn = Some("other".into());
            o.instance = looked(web(&[("team", "team-b")]), o.now);
        }, "Wait AccountNotAllowed"),
        ("who waits for a turn asks for that first: it costs no call",
         |d, o| { uses(d, o); shows(o, Reason::WaitingForTurn); }, "TakeTurn"),
        ("and waits on without one", |d, o| {
            uses(d, o);
            shows(o, Reason::WaitingForTurn);
            o.turn = Turn::After(later(o.now, SignedDuration::from_mins(1)));
        }, "Wait WaitingForTurn"),
        ("unless somebody asks for a reconciliation now",
         |d, o| { uses(d, o); shows(o, Reason::WaitingForTurn); o.asked = true; }, "FindInstance"),
        ("when it has its turn, the instance is read again", |d, o| {
            uses(d, o);
            shows(o, Reason::WaitingForTurn);
            o.turn = Turn::Taken;
        }, "FindSharedInstance"),
        ("and may have lost its tags meanwhile", |d, o| {
            uses(d, o);
            shows(o, Reason::WaitingForTurn);
            o.turn = Turn::Taken;
            o.instance = looked(web(&[]), o.now);
        }, "Wait AccountNotAllowed"),
        ("I11: one that does not exist is no other than one without them",
         |d, o| { uses(d, o); o.instance = looked(None, o.now); }, "Wait AccountNotAllowed"),
        ("I11: also if the turn was taken before",
         |d, o| { uses(d, o); o.turn = Turn::Taken; o.instance = looked(None, o.now); },
         "Wait AccountNotAllowed"),
        ("and goes on once it exists, and has them", |d, o| {
            uses(d, o);
            shows(o, Reason::AccountNotAllowed);
            o.instance = looked(web(&[("team", "team-a")]), o.now);
        }, "TakeTurn"),
        ("tags that were taken off since the intent count", |d, o| {
            uses(d, o);
            made_sure(o);
            o.instance = looked(web(&[]), o.now);
        }, "Wait AccountNotAllowed"),
        ("it allows no resets",
         |_, o| o.grant = used(account(&json!({ "hostKeyReset": null }))),
         "Wait AccountNotAllowed"),
        ("it is for other namespaces", |d, o| { uses(d, o); d.namespace = "team-b".to_owned(); },
         "Wait AccountNotFound"),
        ("it is for other regions", |d, o| { uses(d, o); d.region = "us-east-1".into(); },
         "Wait AccountNotAllowed"),
        ("there is none", |_, o| o.grant = Grant::Missing("production".into()),
         "Wait AccountNotFound"),
        ("one is needed", |_, o| o.grant = Grant::Required, "Wait AccountRequired"),
        ("that is so before the account is identified",
         |_, o| { o.grant = Grant::Required; o.account = None; }, "Wait AccountRequired"),
        ("what was called is not followed",
         |_, o| {
             begun(o);
             o.status.operations = vec![operation("a", "Started", NOW)];
             o.grant = Grant::Required;
         }, "Progress AccountRequired"),
        ("the instance has no tag", |d, o| { uses(d, o); found(o); }, "Wait AccountNotAllowed"),
        ("it has another team's", |d, o| {
            uses(d, o);
            found(o);
            o.instance = looked(web(&[("team", "team-b")]), o.now);
        }, "Wait AccountNotAllowed"),
        ("it has the namespace's", |d, o| {
            uses(d, o);
            found(o);
            o.instance = looked(web(&[("team", "team-a")]), o.now);
        }, "ListOperations"),
        ("it was edited meanwhile, and no intent is written", |_, o| {
            found(o);
            o.operations = Some((Vec::new(), o.now));
            o.account_changed = true;
        }, "StartOver"),
        ("an intent that was written a moment ago is carried out, and keeps no turn for nothing",
         |_, o| { intended(o); o.account_changed = true; }, "Mark Started"),
    ]);
}
