//! The rows of a session. What is opened, and the credentials, are words here.

use super::*;
use crate::lightsail::ErrorKind;

mod refused;

type Kept = Session<&'static str, &'static str>;
type Open = Opened<&'static str, &'static str>;

const IRELAND: &str = "eu-west-1";
const OREGON: &str = "us-west-2";

/// The moment when both clocks show this many seconds since a fixed start.
struct Clocks(Instant);

impl Clocks {
    fn at(&self, second: u64) -> Now {
        self.jumped(second, 0)
    }

    /// The same, with the wall clock ahead by this much.
    fn jumped(&self, second: u64, ahead: u64) -> Now {
        Now { time: wall(second + ahead), instant: self.0 + Duration::from_secs(second) }
    }
}

fn clocks() -> Clocks {
    Clocks(Instant::now())
}

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn opened(credentials: &'static str, since: u64, expiry: Option<u64>) -> Open {
    Opened {
        account: "account",
        identity: Identity { account: "123456789012".into(), caller_arn: "ann/1".to_owned() },
        credentials,
        term: Term::new(wall(since), expiry.map(wall)),
        region: IRELAND.into(),
        withdrawals: 0,
    }
}

fn error(message: &str) -> Error {
    Error::new(ErrorKind::Transient, "Code", message)
}

/// With credentials since second 0.
fn in_force(expiry: Option<u64>) -> Kept {
    let mut session = Kept::default();
    session.put(opened("first", 0, expiry));
    session
}

/// What was recorded, in words.
fn words(noted: &Noted) -> String {
    let mut words = vec![if noted.is_failing { "failing" } else { "well" }.to_owned()];
    for (region, why) in &noted.troubles {
        words.push(format!("{region}: {}", why.as_deref().unwrap_or("over")));
    }
    words.extend(noted.news.as_ref().map(|news| match news {
        LogLine::InForce(identity) => format!("log: in force, {}", identity.caller_arn),
        LogLine::BackAgain => "log: back".to_owned(),
        LogLine::NotRenewed(error) => format!("log: not renewed, {}", error.message),
        LogLine::Refused(error) => format!("log: refused, {}", error.message),
        LogLine::NotHad(error) => format!("log: not had, {}", error.message),
    }));
    words.join("; ")
}

#[test]
fn one_who_asks_uses_what_is_good_or_hears_what_failed_a_moment_ago() {
    let clocks = clocks();
    let failed = |mut session: Kept, times: u32| {
        for _ in 0..times {
            session.note(&IRELAND.into(), Some(&error("down")), clocks.at(100));
        }
        session
    };
    let fails = || Step::Fail(error("down"));
    for (name, session, region, second, expected) in [
        ("nothing yet", Kept::default(), IRELAND, 0, Step::Open),
        ("good", in_force(Some(3_600)), IRELAND, 3_589, Step::Use("account")),
        ("good in another region", in_force(Some(3_600)), OREGON, 0, Step::Use("account")),
        ("good until AWS refuses them", in_force(None), IRELAND, 1_000_000, Step::Use("account")),
        ("about to expire", in_force(Some(3_600)), IRELAND, 3_590, Step::Open),
        ("failed a moment ago", failed(Kept::default(), 1), IRELAND, 101, fails()),
        ("long enough ago", failed(Kept::default(), 1), IRELAND, 102, Step::Open),
        ("twice, and as long ago", failed(Kept::default(), 2), IRELAND, 103, fails()),
        ("twice, and twice as long ago", failed(Kept::default(), 2), IRELAND, 104, Step::Open),
        ("many times", failed(Kept::default(), 40), IRELAND, 159, fails()),
        ("many times, and a minute ago", failed(Kept::default(), 40), IRELAND, 160, Step::Open),
        ("failed elsewhere", failed(Kept::default(), 1), OREGON, 101, Step::Open),
        ("failed, but still good", failed(in_force(Some(3_600)), 1), IRELAND, 101,
         Step::Use("account")),
        ("failed, and expired", failed(in_force(Some(60)), 1), IRELAND, 101, fails()),
    ] {
        assert_eq!(session.next(&region.into(), clocks.at(second)), expected, "{name}");
    }
    let failed = failed(Kept::default(), 1);
    assert_eq!(failed.next(&IRELAND.into(), clocks.jumped(101, 7_200)), fails(),
        "the wall clock has no part in it");
}

#[test]
fn credentials_at_hand_are_taken_once_and_only_while_they_are_good() {
    for (name, at_hand, in_force, second, expected) in [
        ("the first", None, None, 0, NextCredentials::Load { had_some: false }),
        ("when there were some", None, Some(60), 0, NextCredentials::Load { had_some: true }),
        ("when there were some that expired", None, Some(60), 100,
         NextCredentials::Load { had_some: true }),
        ("at hand", Some(Some(3_600)), None, 0, NextCredentials::AtHand("kept")),
        ("at hand, beside others", Some(Some(3_600)), Some(60), 0, NextCredentials::AtHand("kept")),
        ("at hand, without an end", Some(None), None, 1_000_000, NextCredentials::AtHand("kept")),
        ("at hand, for a moment", Some(Some(3_600)), None, 3_590, NextCredentials::AtHand("kept")),
        ("at hand, and about to expire", Some(Some(3_600)), None, 3_591,
         NextCredentials::Load { had_some: false }),
        ("at hand, and expired", Some(Some(3_600)), None, 3_600,
         NextCredentials::Load { had_some: false }),
    ] {
        let mut session = Kept::default();
        if let Some(expiry) = in_force {
            session.put(opened("first", 0, Some(expiry)));
        }
        if let Some(expiry) = at_hand {
            session.keep("kept", expiry.map(wall));
        }
        assert_eq!(session.next_credentials(wall(second)), expected, "{name}");
        let had_some = in_force.is_some();
        let again = session.next_credentials(wall(second));
        assert_eq!(again, NextCredentials::Load { had_some }, "{name}, once more");
    }
}

#[test]
fn credentials_that_people_keep_are_read_again() {
    let mut session = Kept::default().revocable();
    session.keep("kept", None);
    assert_eq!(session.next_credentials(wall(0)), NextCredentials::Load { had_some: false });
}

#[test]
fn rights_are_those_of_a_role_or_of_a_user() {
    for (caller, rights) in [
        ("arn:aws:sts::1:assumed-role/fleet/session", "arn:aws:sts::1:assumed-role/fleet"),
        ("arn:aws:iam::1:user/ann", "arn:aws:iam::1:user/ann"),
        ("arn:aws:iam::1:user/team/ann", "arn:aws:iam::1:user/team/ann"),
        ("arn:aws:sts::1:federated-user/ann", "arn:aws:sts::1:federated-user/ann"),
        ("arn:aws:iam::1:root", "arn:aws:iam::1:root"),
    ] {
        assert_eq!(role(caller), rights);
    }
}

#[test]
fn rights_of_sessions_with_tags_differ_by_namespace() {
    let caller = "arn:aws:sts::1:assumed-role/fleet/session";
    let all = [None, Some("team-a"), Some("team-b")].map(|namespace| rights(caller, namespace));
    assert_eq!(all.map(|rights| rights.replace(role(caller), "role")),
        ["role", "role for team-a", "role for team-b"]);
}

#[test]
fn credentials_that_are_in_force_already_are_known() {
    let first = opened("first", 0, Some(3_600));
    let before = || Some((first.account, first.identity.clone()));
    let expired = |had_some| Loaded::Expired { had_some };
    for (name, session, credentials, expiry, expected) in [
        ("the first", Kept::default(), "first", Some(3_600), Loaded::Others(None)),
        ("without an end", Kept::default(), "first", None, Loaded::Others(None)),
        ("the same again", in_force(Some(3_600)), "first", Some(3_600),
         Loaded::Again(first.clone())),
        ("others", in_force(Some(3_600)), "second", Some(7_200), Loaded::Others(before())),
        ("expired from the start", Kept::default(), "first", Some(99), expired(false)),
        ("about to expire", Kept::default(), "first", Some(109), expired(false)),
        ("the same, expired", in_force(Some(99)), "first", Some(99), expired(true)),
        ("others, expired", in_force(Some(3_600)), "second", Some(99), expired(true)),
    ] {
        let (time, expiry) = (wall(100), expiry.map(wall));
        let loaded = session.loaded(&credentials, Term::new(time, expiry), time);
        assert_eq!(loaded, expected, "{name}");
    }
}

#[test]
fn the_log_says_whose_credentials_are_in_force_when_that_changes() {
    let mut session = Kept::default();
    for (name, caller, is_first, is_news) in [
        ("the first", "arn:aws:sts::1:assumed-role/node/i-1", true, true),
        ("the same", "arn:aws:sts::1:assumed-role/node/i-1", false, false),
        ("another session of the role", "arn:aws:sts::1:assumed-role/node/i-2", false, false),
        ("another role", "arn:aws:sts::1:assumed-role/pod/i-2", false, true),
        ("no name at all", "", false, true),
        ("and again", "", false, false),
        ("the first role again", "arn:aws:sts::1:assumed-role/node/i-1", false, true),
    ] {
        let identity = Identity { account: "1".into(), caller_arn: caller.to_owned() };
        let news = is_news.then(|| LogLine::InForce(identity.clone()));
        let put = session.put(Opened { identity, ..opened("any", 0, None) });
        assert_eq!(put, Put { is_first, news }, "{name}");
    }
}

#[test]
fn how_a_lookup_went_is_reported_once() {
    let clocks = clocks();
    let mut session = Kept::default();
    for (name, region, failure, expected) in [
        ("well from the start", IRELAND, None, "well"),
        ("a failure", IRELAND, Some("down"),
         "failing; eu-west-1: Code: down; log: not had, down"),
        ("the same one again", IRELAND, Some("down"), "failing; eu-west-1: Code: down"),
        ("another one", IRELAND, Some("late"),
         "failing; eu-west-1: Code: late; log: not had, late"),
        ("the same in another region", OREGON, Some("late"),
         "failing; us-west-2: Code: late; log: not had, late"),
        ("well in one ends it in all", OREGON, None,
         "well; eu-west-1: over; us-west-2: over; log: back"),
        ("well again", OREGON, None, "well"),
        ("the first failure again", IRELAND, Some("down"),
         "failing; eu-west-1: Code: down; log: not had, down"),
    ] {
        let error = failure.map(error);
        let noted = session.note(&region.into(), error.as_ref(), clocks.at(0));
        assert_eq!(words(&noted), expected, "{name}");
    }
}

#[test]
fn a_failure_is_another_one_while_the_credentials_are_good() {
    let clocks = clocks();
    for (name, second, expected) in [
        ("good", 3_589, "log: not renewed, down"),
        ("expired", 3_590, "log: not had, down"),
    ] {
        let noted = in_force(Some(3_600)).note(&IRELAND.into(), Some(&error("down")),
            clocks.at(second));
        assert_eq!(words(&noted), format!("failing; eu-west-1: Code: down; {expected}"), "{name}");
    }
}

#[test]
fn a_lookup_that_fails_after_another_one_has_succeeded_does_not_count() {
    let clocks = clocks();
    for (name, mut session, second, noted, outcome) in [
        ("nothing in force", Kept::default(), 0, true, Err(error("down"))),
        ("opened meanwhile", in_force(None), 0, false, Ok("account")),
        ("opened, and expired since", in_force(Some(60)), 60, true, Err(error("down"))),
    ] {
        let found = session.looked_up(&OREGON.into(), Err(error("down")), clocks.at(second));
        assert_eq!((found.0.is_some(), found.1), (noted, outcome), "{name}");
        let noted = session.looked_up(&IRELAND.into(), Ok("account"), clocks.at(second)).0;
        let expected = if found.0.is_some() { "well; us-west-2: over; log: back" } else { "well" };
        assert_eq!(noted.as_ref().map(words).as_deref(), Some(expected), "{name}");
    }
    let mut session = in_force(None);
    session.keep("first", None);
    let next = session.next_credentials(wall(0));
    assert_eq!(next, NextCredentials::Load { had_some: true }, "whose they are is known");
}

#[test]
fn a_region_that_no_object_names_keeps_nothing_failing() {
    let clocks = clocks();
    for (name, failing, is_unused, expected) in [
        ("nothing fails", vec![], false, "well"),
        ("the only one that fails", vec![IRELAND], false, "well"),
        ("another one fails", vec![IRELAND, OREGON], false, "failing"),
        ("only another one fails", vec![OREGON], false, "failing"),
        ("nobody calls STS any more", vec![IRELAND, OREGON], true, "well; us-west-2: over"),
    ] {
        let mut session = Kept::default();
        for region in failing {
            session.note(&region.into(), Some(&error("down")), clocks.at(0));
        }
        assert_eq!(words(&session.forget_region(&IRELAND.into(), is_unused)), expected, "{name}");
        assert_eq!(session.next(&IRELAND.into(), clocks.at(0)), Step::Open, "{name}");
    }
}

#[test]
fn credentials_are_renewed_by_the_clock() {
    let clocks = clocks();
    let failed = |mut session: Kept, times: u32, second| {
        let before = session.in_force().unwrap().clone();
        for _ in 0..times {
            session.renewed(&before, &Err(error("down")), Cause::Clock, clocks.at(second));
        }
        session
    };
    let hour = || in_force(Some(3_600));
    for (name, mut session, now, pause, is_due) in [
        ("none", Kept::default(), clocks.at(0), 30, false),
        ("without an end", in_force(None), clocks.at(1_000_000), 30, false),
        ("early", hour(), clocks.at(0), 30, false),
        ("soon", hour(), clocks.at(3_290), 10, false),
        ("five minutes before", hour(), clocks.at(3_300), 0, true),
        ("expired", hour(), clocks.at(4_000), 0, true),
        ("the wall clock jumped", hour(), clocks.jumped(10, 3_300), 0, true),
        ("failed just now", failed(hour(), 1, 3_300), clocks.at(3_300), 2, false),
        ("failed a while ago", failed(hour(), 1, 3_300), clocks.at(3_302), 0, true),
        ("failed many times", failed(hour(), 9, 3_300), clocks.at(3_300), 30, false),
        ("and half a pause ago", failed(hour(), 9, 3_300), clocks.at(3_335), 25, false),
        ("and a pause ago", failed(hour(), 9, 3_300), clocks.at(3_360), 0, true),
        ("others since", {
            let mut session = failed(hour(), 9, 3_300);
            session.put(opened("second", 3_300, Some(3_300)));
            session
        }, clocks.at(3_300), 0, true),
    ] {
        assert_eq!(session.pause(now), Duration::from_secs(pause), "{name}");
        assert_eq!(session.is_due(Cause::Clock, now), is_due, "{name}");
    }
}

#[test]
fn a_key_that_may_be_revoked_is_read_again_whatever_the_wall_clock_shows() {
    let clocks = clocks();
    let back = |second| Now { time: wall(0) - Duration::from_hours(24), ..clocks.at(second) };
    for (name, now, is_due) in [
        ("early", clocks.at(299), false),
        ("five minutes later", clocks.at(300), true),
        ("the wall clock was set back", back(300), true),
        ("back, and early", back(299), false),
        ("ahead, and early", clocks.jumped(299, 7_200), false),
    ] {
        let mut session = Kept::default().revocable();
        let term = Term::read_again(clocks.at(0).instant, Duration::from_mins(5));
        session.put(Opened { term, ..opened("first", 0, None) });
        assert_eq!(session.is_due(Cause::Clock, now), is_due, "{name}");
        assert!(session.good(now.time).is_some(), "{name}");
    }
}

#[test]
fn refused_credentials_are_replaced_once_a_minute() {
    let clocks = clocks();
    let mut session = in_force(None);
    for (second, is_due) in [(0, true), (0, false), (59, false), (60, true), (119, false)] {
        assert_eq!(session.is_due(Cause::Refused, clocks.at(second)), is_due, "{second}");
    }
    assert!(session.is_due(Cause::Refused, clocks.at(1_000)), "however long after");
    assert!(!session.is_due(Cause::Refused, clocks.jumped(1_001, 7_200)), "by the other clock");
}

#[test]
fn credentials_that_others_use_are_replaced_for_all_of_them() {
    let clocks = clocks();
    let mut session = in_force(None);
    for (name, credentials, second, expected) in [
        ("the first who hears it", "first", 0, Refusal::Due),
        ("the next", "first", 1, Refusal::Known),
        ("one who has used others", "zeroth", 2, Refusal::Past),
        ("they are refused still", "first", 60, Refusal::Due),
    ] {
        assert_eq!(session.refused(&credentials, clocks.at(second)), expected, "{name}");
    }
    assert_eq!(Kept::default().refused(&"first", clocks.at(0)), Refusal::Past, "there are none");
}

#[test]
fn what_a_renewal_brought() {
    let clocks = clocks();
    let before = opened("first", 0, Some(3_600));
    let why = Error::refused_credentials().message;
    let refused =
        format!("failing; eu-west-1: RefusedCredentials: {why}; log: refused, {why}");
    let down = "failing; eu-west-1: Code: down; log: not renewed, down";
    let gone = || Err(Error::new(ErrorKind::BadCredentials, "Code", "gone"));
    let refused_gone = "failing; eu-west-1: Code: gone; log: refused, gone";
    let again = || Ok(before.clone());
    let other = || Ok(opened("second", 3_300, Some(6_900)));
    for (name, cause, outcome, expected, is_due) in [
        ("others", Cause::Clock, other(), "well", true),
        ("the same again, and they are good", Cause::Clock, again(), "well", false),
        ("nothing", Cause::Clock, Err(error("down")), down, false),
        ("others for those that AWS refuses", Cause::Refused, other(), "well", true),
        ("the same again, which AWS refuses", Cause::Refused, again(), refused.as_str(), false),
        ("nothing for those that AWS refuses", Cause::Refused, gone(), refused_gone, false),
        ("nothing is known of others", Cause::Refused, Err(error("down")), down, false),
    ] {
        let mut session = in_force(Some(3_600));
        let noted = session.renewed(&before, &outcome, cause, clocks.at(3_300));
        assert_eq!(words(&noted), expected, "{name}");
        // Other credentials would be in force by now. These show whether the next attempt waits.
        assert_eq!(session.is_due(Cause::Clock, clocks.at(3_301)), is_due, "{name}");
    }
}

#[test]
fn other_keys_without_an_end_are_new() {
    let clocks = clocks();
    let before = opened("first", 0, None);
    for (name, credentials, is_failing) in [
        ("others", "second", false),
        ("the same", "first", true),
    ] {
        let outcome = Ok(opened(credentials, 60, None));
        let noted = in_force(None).renewed(&before, &outcome, Cause::Refused, clocks.at(60));
        assert_eq!(noted.is_failing, is_failing, "{name}");
    }
}

#[test]
fn the_probes_name_no_role() {
    let of_role = "User: arn:aws:sts::1:assumed-role/a/b is not authorized";
    let role = "not authorized to perform sts:AssumeRole on arn:aws:iam::1:role/a";
    for (kind, message, expected) in [
        (ErrorKind::Transient, "down", "Code: down"),
        (ErrorKind::BadCredentials, "the profile: `a` was not defined", "Code: the profile"),
        (ErrorKind::BadCredentials, role, "Code"),
        (ErrorKind::Denied, of_role, "Code"),
    ] {
        let error = Error::new(kind, "Code", message);
        let noted = Kept::default().note(&IRELAND.into(), Some(&error), clocks().at(0));
        let [(_, Some(told))] = &noted.troubles[..] else { panic!("{message}: it fails") };
        assert!(told.starts_with(expected) && !told.contains("arn:"), "{message}: {told}");
        let Some(LogLine::NotHad(logged)) = noted.news else { panic!("{message}: it is news") };
        assert_eq!(logged.message, message);
    }
}
