//! Credentials that AWS refuses, or that people take away.

use super::*;

#[test]
fn a_refusal_is_over_when_aws_takes_the_credentials_again() {
    let clocks = clocks();
    let refusal = Error::refused_credentials;
    for (name, failures, are_accepted, expected) in [
        ("nothing failed", vec![], true, None),
        ("refused, and not accepted since", vec![(IRELAND, refusal())], false, None),
        ("refused, and accepted", vec![(IRELAND, refusal())], true,
         Some("well; eu-west-1: over; log: back")),
        ("in two regions", vec![(IRELAND, refusal()), (OREGON, refusal())], true,
         Some("well; eu-west-1: over; us-west-2: over; log: back")),
        ("something else failed", vec![(IRELAND, error("down"))], true, None),
        ("something else failed too", vec![(IRELAND, refusal()), (OREGON, error("down"))], true,
         None),
    ] {
        let mut session = in_force(None);
        for (region, error) in failures {
            session.note(&region.into(), Some(&error), clocks.at(0));
        }
        let noted = session.recovered(are_accepted);
        assert_eq!(noted.as_ref().map(words).as_deref(), expected, "{name}");
    }
}

#[test]
fn credentials_that_people_take_away_are_not_used_any_more() {
    let (clocks, region) = (clocks(), IRELAND.into());
    let gone = Error::unusable("the Secret", "no label");
    let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
    for (name, session, failure, is_used) in [
        ("taken away", Kept::default().revocable(), gone.clone(), false),
        ("replaced", Kept::default().revocable(), wrong.clone(), false),
        ("not read", Kept::default().revocable(), error("an outage"), true),
        ("the operator's own", Kept::default(), gone.clone(), true),
    ] {
        let mut session = session;
        let first = opened("first", 0, None);
        session.put(first.clone());
        let why = failure.clone();
        session.renewed(&first, &Err(failure), Cause::Clock, clocks.at(1));
        assert_eq!(session.good(wall(1)).is_some(), is_used, "{name}");
        if !is_used {
            assert_eq!(session.next(&region, clocks.at(2)), Step::Fail(why), "{name}");
            assert_eq!(session.next(&region, clocks.at(4)), Step::Open, "{name}");
            let withdrawals = session.withdrawals();
            session.put(Opened { withdrawals, ..opened("second", 4, None) });
            assert!(session.good(wall(4)).is_some(), "{name}");
        }
    }
}

#[test]
fn what_was_assumed_with_credentials_that_people_took_away_is_not_used_any_more() {
    let clocks = clocks();
    let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
    for (name, failure, is_used) in [
        ("taken away", Error::unusable("the Secret", "no label"), false),
        ("not read", error("an outage"), true),
        ("another key, which AWS refuses", wrong, true),
    ] {
        let (mut keys, mut role) = (Kept::default().revocable(), in_force(None));
        let first = opened("first", 0, None);
        keys.put(first.clone());
        role.follow(keys.withdrawals());
        assert!(role.good(wall(0)).is_some(), "{name}");
        keys.renewed(&first, &Err(failure), Cause::Clock, clocks.at(1));
        role.follow(keys.withdrawals());
        assert_eq!(role.good(wall(1)).is_some(), is_used, "{name}");
        let next = role.next(&IRELAND.into(), clocks.at(1));
        assert_eq!(next == Step::Open, !is_used, "{name}");
        // The key is back, and the role is assumed with it.
        keys.put(opened("first", 2, None));
        role.follow(keys.withdrawals());
        assert_eq!(role.good(wall(2)).is_some(), is_used, "{name}: not by that");
        role.put(Opened { withdrawals: keys.withdrawals(), ..opened("second", 2, None) });
        assert!(role.good(wall(2)).is_some(), "{name}");
    }
}

#[test]
fn a_key_that_goes_after_aws_did_not_accept_it_ends_what_the_one_before_has_assumed() {
    type Removal = fn(&mut Kept, Now);
    let clocks = clocks();
    for (name, removal) in [
        ("the clock finds it", (|keys, now| {
            assert!(keys.is_due(Cause::Clock, now), "it is read on");
            renewed(keys, &Err(Error::unusable("the Secret", "gone")), now);
        }) as Removal),
        ("a lookup finds it", |keys, now| {
            drop(keys.looked_up(&OREGON.into(), Err(Error::unusable("the Secret", "gone")), now));
        }),
    ] {
        let (mut keys, mut role) = (Kept::default().revocable(), in_force(None));
        let term = Term::read_again(clocks.at(0).instant, Duration::from_mins(5));
        keys.put(Opened { term, ..opened("first", 0, None) });
        let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
        renewed(&mut keys, &Err(wrong), clocks.at(1));
        role.follow(keys.withdrawals());
        assert!(role.good(wall(1)).is_some(), "{name}: AWS may not know the new key yet");
        removal(&mut keys, clocks.at(600));
        role.follow(keys.withdrawals());
        assert!(role.good(wall(600)).is_none(), "{name}");
    }
}

#[test]
fn a_key_that_is_put_back_in_place_of_one_that_aws_did_not_accept_is_identified_again() {
    let clocks = clocks();
    let (mut keys, first) = (Kept::default().revocable(), opened("first", 0, None));
    keys.put(first.clone());
    let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
    renewed(&mut keys, &Err(wrong), clocks.at(1));
    assert!(!keys.uses(&"first") && keys.unanswered().is_some());
    assert!(matches!(keys.loaded(&"first", first.term, wall(2)), Loaded::Others(Some(_))));
    keys.put(first.clone());
    keys.renewed(&first.clone(), &Ok(first), Cause::Clock, clocks.at(2));
    assert!(keys.good(wall(2)).is_some() && keys.unanswered().is_none());
}

#[test]
fn a_renewal_says_nothing_of_what_was_put_in_force_meanwhile() {
    let clocks = clocks();
    let (mut keys, first) = (Kept::default().revocable(), opened("first", 0, None));
    keys.put(first.clone());
    keys.put(opened("second", 1, None));
    let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
    keys.renewed(&first, &Err(wrong), Cause::Clock, clocks.at(2));
    assert!(keys.good(wall(2)).is_some() && keys.unanswered().is_none());
}

#[test]
fn a_key_that_was_taken_away_and_is_back_is_identified_again() {
    let clocks = clocks();
    let (mut keys, first) = (Kept::default().revocable(), opened("first", 0, None));
    let term = first.term;
    keys.put(first.clone());
    let gone = Error::unusable("the Secret", "no label");
    keys.renewed(&first, &Err(gone), Cause::Clock, clocks.at(1));
    // A lookup that had read the key before ends late.
    keys.put(first);
    assert!(keys.good(wall(1)).is_none());
    assert!(matches!(keys.loaded(&"first", term, wall(2)), Loaded::Others(Some(_))));
    keys.put(Opened { withdrawals: keys.withdrawals(), ..opened("first", 2, None) });
    assert!(keys.good(wall(2)).is_some());
    assert!(matches!(keys.loaded(&"first", term, wall(3)), Loaded::Again(_)));
}

#[test]
fn a_key_that_is_still_the_same_is_read_again_after_its_time() {
    let clocks = clocks();
    let after = |second: u64| Term::read_again(clocks.at(second).instant, Duration::from_mins(5));
    let mut session = Kept::default().revocable();
    session.put(Opened { term: after(0), ..opened("first", 0, None) });
    let before = session.in_force().unwrap().clone();
    let Loaded::Again(same) = session.loaded(&"first", after(300), wall(300)) else {
        panic!("it is the same")
    };
    session.renewed(&before, &Ok(same), Cause::Clock, clocks.at(300));
    for (second, is_due) in [(302, false), (599, false), (600, true)] {
        assert_eq!(session.is_due(Cause::Clock, clocks.at(second)), is_due, "{second}");
    }
}

#[test]
fn credentials_that_aws_refuses_are_known_to_be_refused_until_it_takes_some() {
    type Change = fn(&mut Kept, Now);
    let clocks = clocks();
    let refused = || {
        let (mut session, first) = (in_force(None), opened("first", 0, None));
        session.renewed(&first, &Ok(first.clone()), Cause::Refused, clocks.at(1));
        session
    };
    let code = |error: &Error| error.code.clone();
    for (name, change, expected) in [
        ("refused, and their source has no others", (|_, _| {}) as Change,
         Some("RefusedCredentials")),
        ("their source is asked again, and has the same", |session, now| {
            let first = opened("first", 0, None);
            let noted = session.renewed(&first, &Ok(first.clone()), Cause::Clock, now);
            assert!(noted.is_failing, "they do not work by that");
        }, Some("RefusedCredentials")),
        ("refused again, and there are none now", |session, now| {
            let (first, down) = (opened("first", 0, None), Err(error("down")));
            session.renewed(&first, &down, Cause::Refused, now);
        }, Some("Code")),
        ("not accepted since", |session, _| drop(session.recovered(false)),
         Some("RefusedCredentials")),
        ("accepted again", |session, _| drop(session.recovered(true)), None),
        ("others", |session, _| drop(session.put(opened("second", 2, None))), None),
    ] {
        let mut session = refused();
        change(&mut session, clocks.at(300));
        assert_eq!(session.refusal().map(code).as_deref(), expected, "{name}");
    }
    assert_eq!(in_force(None).refusal(), None);
}

#[test]
fn whoever_asks_waits_for_no_pause_once() {
    let (clocks, region) = (clocks(), Region::from(IRELAND));
    let mut session = Kept::default();
    for _ in 0..40 {
        session.note(&region, Some(&error("down")), clocks.at(0));
    }
    assert_eq!(session.next(&region, clocks.at(1)), Step::Fail(error("down")));
    session.ask();
    assert_eq!(session.next(&region, clocks.at(1)), Step::Open);
    session.note(&region, Some(&error("down")), clocks.at(1));
    assert_eq!(session.next(&region, clocks.at(2)), Step::Fail(error("down")), "the pause is back");
}

fn renewed(session: &mut Kept, outcome: &Result<Open>, now: Now) {
    let before = session.in_force().unwrap().clone();
    session.renewed(&before, outcome, Cause::Clock, now);
}

#[test]
fn whoever_asks_hears_what_is_kept_for_people_to_change_now() {
    type Change = fn(&mut Kept, Now);
    let clocks = clocks();
    let first = || {
        let term = Term::read_again(clocks.at(0).instant, Duration::from_mins(5));
        Opened { term, ..opened("first", 0, None) }
    };
    let asked = || {
        let mut session = Kept::default().revocable();
        session.put(first());
        session.ask();
        session
    };
    for (name, change, second, is_due, unanswered) in [
        ("asked", (|_, _| {}) as Change, 1, true, None),
        ("the same key", |session, now| {
            let same = session.in_force().unwrap().clone();
            renewed(session, &Ok(same), now);
        }, 600, true, None),
        ("the same key, a moment ago", |session, now| {
            let same = session.in_force().unwrap().clone();
            renewed(session, &Ok(same), now);
        }, 200, false, None),
        ("another one", |session, now| {
            let term = Term::read_again(now.instant, Duration::from_mins(5));
            let other = Opened { term, ..opened("second", 1, None) };
            session.put(other.clone());
            renewed(session, &Ok(other), now);
        }, 200, false, None),
        ("its owner is unknown", |session, now| renewed(session, &Err(error("down")), now), 2,
         false, Some("down")),
        ("and the pause is over", |session, now| renewed(session, &Err(error("down")), now), 3,
         true, Some("down")),
        ("somebody asks again", |session, now| {
            renewed(session, &Err(error("down")), now);
            session.ask();
        }, 2, true, Some("down")),
        ("another one, which AWS does not accept", |session, now| {
            let wrong = Error::new(ErrorKind::BadCredentials, "InvalidClientTokenId", "a typo");
            renewed(session, &Err(wrong), now);
            assert!(session.good(now.time).is_none());
        }, 600, true, Some("a typo")),
        ("the key is gone", |session, now| {
            renewed(session, &Err(Error::unusable("the Secret", "gone")), now);
            assert!(session.good(now.time).is_none());
        }, 600, false, None),
    ] {
        let mut session = asked();
        change(&mut session, clocks.at(1));
        assert_eq!(session.is_due(Cause::Clock, clocks.at(second)), is_due, "{name}");
        let why = session.unanswered().map(|error| error.message.as_str());
        assert_eq!(why, unanswered, "{name}");
    }
    for (name, session) in [("none", Kept::default().revocable()), ("own", in_force(None))] {
        let mut session = session;
        session.ask();
        assert!(!session.is_due(Cause::Clock, clocks.at(1)), "{name}");
    }
}
