//! How soon it is seen that Lightsail has done what it had said that it does, in made-up time.

use super::*;
use crate::engine::queue::Next;

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

/// Lightsail deletes the pair so long after it was first asked to. When that is seen, and how often
/// it was asked.
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

/// Its pair appears so long after the answer to the import. When that is seen, and after how many
/// reads.
fn import(takes: Duration) -> (Duration, usize) {
    let (desired, start) = (desired(), time(NOW));
    let (mut waited, mut reads) = (Duration::ZERO, 0);
    loop {
        let mut observed = observed();
        observed.finalizer = Finalizer::Old;
        observed.recorded.intent = intent(FIRST);
        observed.now = start + waited;
        observed.sent = Some(ImportSent { until: start + observed.effect_window, accepted: true });
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
        ("one that was imported since is not", |_, o| {
            unchanged(o);
            let made = KeyPair { arn: "arn:new".into(), ..tagged(pair(FIRST), OWNER) };
            (o.recorded.deletion, o.recorded.intent) = (Some(deletion(NOW)), intent(FIRST));
            (o.recorded.arn, o.pair) = (None, live(Some(made)));
        }, "Ready Imported"),
        ("nor is a deletion that takes long", |_, o| {
            unchanged(o);
            o.recorded.deletion = Some(deletion("2026-11-24T11:59:00Z"));
        }, "Ready Imported"),
    ]);
}
