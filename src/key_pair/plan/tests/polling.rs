//! How soon it is seen that Lightsail has done what it had said that it does, in made-up time.

use super::*;
use crate::engine::action::Next;
use crate::key_pair::world::DeletedPair;

/// The pause that a step ends with.
fn pause(step: &Step) -> Option<Duration> {
    let Step::Finish(verdict) = step else { return None };
    let Next::After(pause) = verdict.next else { return None };
    (verdict.state == State::Reconciling).then_some(pause)
}

fn deletion(began: &str) -> Operation {
    Operation {
        id: Some("a".to_owned()),
        type_: Some("DeleteKeyPair".to_owned()),
        status: Some("Started".to_owned()),
        created_at: Some(began.to_owned()),
        ..Operation::default()
    }
}

/// Lightsail deletes the pair this long after it was first asked to. When that is seen, and how
/// often it was asked.
fn delete(takes: Duration, clock_of_lightsail: &str) -> (Duration, usize) {
    let desired = Desired { goal: Goal::ObjectDeleted, ..desired() };
    let (start, mut waited, mut asked, mut record) = (time(NOW), Duration::ZERO, 0, None);
    loop {
        let mut observed = observed();
        unchanged(&mut observed);
        observed.now = start + waited;
        observed.recorded.deletion = record.clone();
        let pair = observed.pair.take().and_then(|read| read.pair).filter(|_| waited < takes);
        observed.pair = Some(PairRead { live: true, at: observed.now, pair });
        let mut step = plan(&desired, &observed);
        if matches!(step, Step::ReadOperation { .. }) {
            // Lightsail does not know it any more, or not yet.
            observed.operation = Lookup::Absent;
            step = plan(&desired, &observed);
        }
        if matches!(step, Step::Delete { .. }) {
            asked += 1;
            let began = time(clock_of_lightsail) + waited;
            record = Some(deletion(&began.to_string()));
            observed.done.delete = record.clone();
            observed.pair = Some(PairRead { live: true, at: observed.now, pair: None });
            step = plan(&desired, &observed);
        }
        let Some(pause) = pause(&step) else {
            assert_eq!(word(&step), "Remove finalizer Deleted");
            return (waited, asked);
        };
        waited += pause;
    }
}

#[test]
fn the_end_of_a_deletion_is_seen_soon_and_it_is_asked_for_once() {
    for (takes, seen_by, asks) in
        [(1, 200, 1), (300, 600, 1), (2_000, 2_500, 1), (9_000, 11_000, 1), (15_000, 17_000, 2)]
    {
        let (seen, asked) = delete(Duration::from_millis(takes), NOW);
        assert!(seen <= Duration::from_millis(seen_by), "{takes} ms: seen after {seen:?}");
        assert_eq!(asked, asks, "{takes} ms");
    }
}

/// Nothing tells how long it takes, so it is asked for again, but not all the time.
#[test]
fn clocks_that_differ_do_not_make_it_hurry() {
    for clock in ["2026-11-24T10:00:00Z", "2026-11-24T14:00:00Z"] {
        let (seen, asked) = delete(Duration::from_secs(5), clock);
        assert_eq!((seen, asked), (Duration::from_secs(6), 3), "{clock}");
    }
}

/// Its pair appears this long after the answer to the import. When that is seen, and after how many
/// reads.
fn import(takes: Duration) -> (Duration, usize) {
    let (desired, start) = (desired(), time(NOW));
    let (mut waited, mut reads) = (Duration::ZERO, 0);
    loop {
        let mut observed = observed();
        observed.has_finalizer = true;
        observed.recorded.intent = intent(FIRST);
        observed.now = start + waited;
        let until = start + observed.timing.effect_window;
        observed.sent = Some(ImportSent { until, accepted: true });
        let pair = Some(pair(FIRST)).filter(|_| waited >= takes);
        observed.pair = Some(PairRead { live: true, at: observed.now, pair });
        reads += 1;
        match pause(&plan(&desired, &observed)) {
            Some(pause) => waited += pause,
            None => return (waited, reads),
        }
    }
}

#[test]
fn the_pair_of_an_import_is_seen_soon() {
    for (takes, seen_by) in [(0, 0), (300, 600), (2_000, 2_500), (40_000, 52_000)] {
        let (seen, reads) = import(Duration::from_millis(takes));
        assert!(seen <= Duration::from_millis(seen_by), "{takes} ms: seen after {seen:?}");
        assert!(reads <= 25, "{takes} ms: {reads} reads");
    }
}

/// The object did not want its pair, and wants it again before Lightsail has deleted it.
#[test]
fn a_pair_that_is_about_to_go_is_not_ready() {
    check(|| (desired(), observed()), &[
        ("it is waited for", |_, o| {
            unchanged(o);
            o.recorded.deletion = Some(deletion(NOW));
        }, "Reconciling InProgress"),
        ("an old list does not tell whether it is gone", |_, o| {
            unchanged(o);
            o.recorded.deletion = Some(deletion(NOW));
            o.pair = cached(o.pair.take().and_then(|read| read.pair));
        }, "Read pair live"),
        ("nor does it once that has taken long", |_, o| {
            unchanged(o);
            o.recorded.deletion = Some(deletion("2026-11-24T11:59:00Z"));
            o.pair = cached(o.pair.take().and_then(|read| read.pair));
        }, "Read pair live"),
        ("one that is Ready since needs no read of its own", |_, o| {
            unchanged(o);
            (o.was_acted_on, o.recorded.deletion) =
                (true, Some(deletion("2026-11-24T11:59:00Z")));
            o.pair = cached(o.pair.take().and_then(|read| read.pair));
        }, "Ready Imported"),
        ("so is one whose deletion was not answered", |_, o| {
            unchanged(o);
            o.deletion_may_follow = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("a list does not tell what became of that", |_, o| {
            unchanged(o);
            o.deletion_may_follow = Some(time("2026-11-24T11:59:50Z"));
            o.pair = cached(o.pair.take().and_then(|read| read.pair));
        }, "Read pair live"),
        ("it stays once that is over", |_, o| {
            unchanged(o);
            o.deletion_may_follow = Some(time(NOW));
        }, "Ready Imported"),
        ("one that is Ready since is no news", |_, o| {
            unchanged(o);
            (o.was_acted_on, o.deletion_may_follow) = (true, Some(time("2026-11-24T11:59:50Z")));
            o.pair = cached(o.pair.take().and_then(|read| read.pair));
        }, "Ready Imported"),
        ("one that was imported since is not", |_, o| {
            unchanged(o);
            let made = KeyPair { arn: "arn:new".into(), ..tagged(pair(FIRST), OWNER) };
            (o.recorded.deletion, o.recorded.intent) = (Some(deletion(NOW)), intent(FIRST));
            (o.recorded.arn, o.pair) = (None, live(Some(made)));
        }, "Ready Imported"),
        ("a deletion that takes long is asked about", |_, o| {
            unchanged(o);
            o.recorded.deletion = Some(deletion("2026-11-24T11:59:00Z"));
        }, "ReadOperation"),
        ("it is still under way", |_, o| {
            unchanged(o);
            late_deletion(o, "Started");
        }, "Reconciling InProgress"),
        ("it has failed, so the pair stays", |_, o| {
            unchanged(o);
            late_deletion(o, "Failed");
        }, "Ready Imported"),
        ("Lightsail does not know it", |_, o| {
            unchanged(o);
            late_deletion(o, "Started");
            o.operation = Lookup::Absent;
        }, "Ready Imported"),
    ]);
}

/// A deletion that was answered a minute ago as under way, and looked up just now.
fn late_deletion(observed: &mut Observed, status: &str) {
    let began = deletion("2026-11-24T11:59:00Z");
    observed.operation =
        Lookup::Found(Operation { status: Some(status.to_owned()), ..began.clone() });
    observed.recorded.deletion = Some(began);
}

#[test]
fn an_object_goes_when_the_name_of_its_pair_is_free() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        unchanged(&mut observed);
        observed.recorded.deletion = Some(deletion("2026-11-24T11:59:59Z"));
        observed.pair = live(None);
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    }
    check(base, &[
        ("its deletion was under way a moment ago", |_, _| {}, "ReadOperation"),
        ("it is still", |_, o| late_deletion(o, "Started"), "Reconciling InProgress"),
        ("it is over", |_, o| late_deletion(o, "Succeeded"), "Remove finalizer Deleted"),
        ("Lightsail does not know it", |_, o| o.operation = Lookup::Absent,
         "Remove finalizer Deleted"),
        ("not forever", |_, o| {
            late_deletion(o, "Started");
            o.now = time("2026-11-24T12:10:00Z");
            o.pair = Some(PairRead { live: true, at: o.now, pair: None });
        }, "Remove finalizer Deleted"),
        ("under Retain it is released", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.read_for_release = Some(Ok(None));
        }, "Remove finalizer Deleted"),
        ("an object that stays says that the pair is gone", |d, _| d.goal = Goal::Absent,
         "Ready Absent"),
    ]);
}

#[test]
fn a_deletion_that_takes_long_is_begun_again_only_if_it_is_over() {
    let base = || {
        let mut observed = observed();
        unchanged(&mut observed);
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    };
    check(base, &[
        ("it is asked about", |_, o| {
            o.recorded.deletion = Some(deletion("2026-11-24T11:59:00Z"));
        }, "ReadOperation"),
        ("it is still under way", |_, o| late_deletion(o, "Started"), "Reconciling InProgress"),
        ("it has failed, and that is said", |_, o| late_deletion(o, "Failed"),
         "Stalled OperationFailed"),
        ("also where a read may show the pair by mistake", |_, o| {
            late_deletion(o, "Failed");
            o.deleted = Some(DeletedPair {
                pair: DeletedPair::digest(&pair(FIRST)),
                until: time("2026-11-24T12:00:30Z"),
            });
        }, "Stalled OperationFailed"),
        ("there is nobody to say it to, so it is begun again", |d, o| {
            late_deletion(o, "Failed");
            d.goal = Goal::ObjectVanished;
        }, "Delete"),
        ("and then it is begun again", |_, o| {
            late_deletion(o, "Failed");
            (o.recorded.deletion, o.operation) = (None, Lookup::Unread);
        }, "Delete"),
        ("it is over, though the pair is there", |_, o| late_deletion(o, "Succeeded"), "Delete"),
        ("Lightsail does not know it", |_, o| {
            late_deletion(o, "Started");
            o.operation = Lookup::Absent;
        }, "Delete"),
        ("it is under way for too long", |_, o| {
            late_deletion(o, "Started");
            o.now = time("2026-11-24T12:10:00Z");
            o.pair = o.pair.take().map(|read| PairRead { at: o.now, ..read });
        }, "Delete"),
    ]);
}

/// The import was answered as under way, its time is over, and its pair is not there.
fn late_import(observed: &mut Observed, status: &str) {
    observed.has_finalizer = true;
    observed.recorded.intent = intent(FIRST);
    observed.sent = sent("2026-11-24T11:59:59Z", true);
    observed.pair = live(None);
    let began = Operation {
        type_: Some("ImportKeyPair".to_owned()),
        ..deletion("2026-11-24T11:58:00Z")
    };
    observed.operation =
        Lookup::Found(Operation { status: Some(status.to_owned()), ..began.clone() });
    observed.recorded.import = Some(began);
}

#[test]
fn an_import_that_takes_long_is_sent_again_only_if_it_is_over() {
    check(|| (desired(), observed()), &[
        ("it is asked about", |_, o| {
            late_import(o, "Started");
            o.operation = Lookup::Unread;
        }, "ReadOperation"),
        ("it is still under way", |_, o| late_import(o, "Started"), "Reconciling InProgress"),
        ("it has failed, and that is said", |_, o| late_import(o, "Failed"),
         "Stalled OperationFailed"),
        ("it is over, though no pair is there", |_, o| late_import(o, "Succeeded"),
         "WriteIntent"),
        ("Lightsail does not know it", |_, o| {
            late_import(o, "Started");
            o.operation = Lookup::Absent;
        }, "WriteIntent"),
    ]);
}

/// Others decide how long it takes, and each reconciliation costs calls.
#[test]
fn what_others_have_to_do_is_looked_at_less_and_less() {
    let grows = |step: &Step| {
        let Step::Finish(verdict) = step else { panic!("{step:?}") };
        matches!(verdict.next, Next::BackoffWithin(_))
    };
    let mut observed = observed();
    unchanged(&mut observed);
    let deleting = Rival { deleting: true, ..rival("a", None) };
    observed.rivals = vec![Rival { arn: Some(Digest::of("arn:own")), ..deleting }];
    observed.recorded = Recorded::default();
    assert!(grows(&plan(&desired(), &observed)));

    observed.rivals = Vec::new();
    let hangs = Desired { pair: DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519,
        secret: kept(), replace: ReplacePolicy::Never }, ..desired() };
    observed.secret = Lookup::Found(Found { is_terminating: true, ..owned(&private_key()) });
    assert!(grows(&plan(&hangs, &observed)), "a finalizer may block that for days");
    observed.secret = Lookup::Unread;

    let many = |count, deleting| {
        let mut observed = observed.clone();
        observed.rivals = vec![rival("a", Some("arn:own")); count];
        observed.rivals[0].deleting = deleting;
        let Step::Finish(verdict) = plan(&desired(), &observed) else { panic!("it makes way") };
        verdict.next
    };
    assert_eq!(many(1, false), Next::After(desired().interval));
    for deleting in [false, true] {
        assert_eq!(many(60_000, deleting), Next::After(Duration::from_mins(100)), "I14");
    }
    let one_too_many = |interval, neighbors| {
        let mut limited = Desired { interval, ..desired() };
        limited.limits.max_key_pairs = Some(3);
        let mut observed = Observed { neighbors, owned: Some(3), ..super::observed() };
        observed.pair = cached(None);
        let Step::Finish(verdict) = plan(&limited, &observed) else { panic!("it is refused") };
        verdict.next
    };
    let (minute, week) = (Duration::from_mins(1), Duration::from_hours(168));
    assert_eq!(one_too_many(minute, 4), Next::After(minute));
    assert_eq!(one_too_many(week, 4), Next::After(Duration::from_mins(5)));
    assert_eq!(one_too_many(week, 60_000), Next::After(Duration::from_mins(100)), "I14");
    assert_eq!(one_too_many(minute, 60_000), Next::After(Duration::from_mins(100)), "I14");
    let most_age = |interval| max_age_to_count(&Desired { interval, ..desired() });
    assert!(most_age(minute) < minute);
    assert!(most_age(week) < Duration::from_mins(5), "it does not count in the same list again");
}
