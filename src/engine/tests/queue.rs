//! The queue: who is next.

#[path = "queue_forgets.rs"]
mod forgets;

use super::*;
use crate::api::Reason;

fn lane() -> LaneId {
    "eu-west-1".into()
}

/// This many places in a lane, for any namespace.
fn limits(lane: usize) -> ConcurrencyLimits {
    ConcurrencyLimits { namespace_in_lane: lane, lane, namespace: usize::MAX, all: usize::MAX }
}

fn at(name: &str) -> ObjectRef {
    ObjectRef::new("n", name)
}

/// A reconciliation that ends so.
fn ends(next: Next) -> Action {
    Action::shows(Reason::Imported, next)
}

fn name(turn: Option<Item>) -> Option<String> {
    turn.map(|turn| turn.at.name.to_string())
}

/// The names in the order of their turns, each finished before the next.
fn drain(queue: &mut Queue, now: Instant) -> String {
    let mut names = Vec::new();
    while let Some(turn) = queue.pop(now) {
        queue.finished(&turn.at, ends(Next::Change), now);
        names.push(turn.at.name.clone());
    }
    names.join(" ")
}

#[test]
fn first_in_first_out_and_each_once() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for name in ["a", "b", "a"] {
        queue.push(at(name), lane(), Class::Change, now);
    }
    assert_eq!(queue.depth(Class::Change), 2);
    assert_eq!(drain(&mut queue, now), "a b");
    assert_eq!(queue.depth, [0; 3]);
    assert!(queue.lanes.is_empty(), "nothing is kept of a lane in which nobody is");
}

#[test]
fn who_has_what_it_waited_for_comes_first_in_its_namespace_only() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for (namespace, name) in [("n", "a"), ("n", "b"), ("m", "c"), ("m", "d")] {
        queue.push(ObjectRef::new(namespace, name), lane(), Class::Change, now);
    }
    queue.push_later(at("woken"), lane(), Class::Resync, now + Duration::from_secs(5));
    queue.push_first(at("woken"), lane(), now);
    queue.push_first(at("b"), lane(), now);
    assert_eq!(drain(&mut queue, now), "woken c a d b", "who waits already keeps its place");
    assert_eq!(queue.next_due(), None);
}

#[test]
fn an_object_pushed_to_another_lane_moves_there_with_the_better_class() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for (class, other) in [(Class::Change, Class::Resync), (Class::Retry, Class::Resync)] {
        queue.push(at("a"), lane(), class, now);
        queue.push(at("a"), "eu-west-2".into(), other, now);
        let item = queue.pop(now).unwrap();
        assert_eq!(
            (item.class, queue.lane_of(&item.at)),
            (class.min(other), Some(&"eu-west-2".into()))
        );
        queue.finished(&item.at, ends(Next::Change), now);
        assert_eq!(queue.pop(now), None, "once");
        assert_eq!((queue.depth, queue.lanes.len()), ([0; 3], 0), "{class:?}");
    }
}

#[test]
fn what_comes_while_it_is_worked_on_brings_it_back_afterwards() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    queue.push(at("a"), lane(), Class::Change, now);
    queue.pop(now);
    queue.push(at("a"), lane(), Class::Resync, now);
    assert_eq!(queue.pop(now), None);
    queue.finished(&at("a"), ends(Next::After(Duration::from_mins(1))), now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("a"));
    for class in [Class::Change, Class::Resync] {
        queue.push(at("a"), lane(), class, now);
    }
    queue.finished(&at("a"), ends(Next::Change), now);
    assert_eq!(queue.pop(now).map(|item| item.class), Some(Class::Change), "the better class");
    queue.finished(&at("a"), ends(Next::Change), now);
    assert_eq!(queue.pop(now + Duration::from_hours(1)), None);
}

#[test]
fn it_comes_back_when_it_is_due_and_not_before() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    let pause = Duration::from_mins(1);
    queue.push(at("a"), lane(), Class::Change, now);
    queue.pop(now);
    queue.finished(&at("a"), ends(Next::After(pause)), now);
    assert_eq!(queue.next_due(), Some(now + pause));
    assert_eq!(queue.pop(now + Duration::from_millis(59_999)), None);
    let turn = queue.pop(now + pause).unwrap();
    assert_eq!((turn.at, turn.class), (at("a"), Class::Resync));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_change_does_not_wait_for_what_is_due() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    queue.push(at("a"), lane(), Class::Change, now);
    queue.pop(now);
    queue.finished(&at("a"), ends(Next::Backoff), now);
    queue.push(at("a"), lane(), Class::Change, now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("a"));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn what_is_acted_on_later_comes_once_and_with_whatever_comes_sooner() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    let later = now + Duration::from_secs(10);
    let push_later =
        |queue: &mut Queue, from| queue.push_later(at("a"), lane(), Class::Change, from);
    for _ in 0..3 {
        push_later(&mut queue, later);
    }
    assert_eq!((queue.pop(now), queue.next_due()), (None, Some(later)));
    assert_eq!(queue.pop(later).map(|item| item.class), Some(Class::Change));
    queue.finished(&at("a"), ends(Next::Change), later);
    assert_eq!(queue.next_due(), None);
    push_later(&mut queue, later);
    queue.push(at("a"), lane(), Class::Change, now);
    assert_eq!(queue.next_due(), None, "what came now is for both");
    // During its reconciliation, which may have read it before the change.
    assert!(queue.pop(now).is_some());
    push_later(&mut queue, later);
    queue.finished(&at("a"), ends(Next::After(Duration::from_mins(1))), now);
    assert_eq!(queue.next_due(), Some(later));
    push_later(&mut queue, now + Duration::from_secs(20));
    assert_eq!(queue.next_due(), Some(later), "what is due sooner is for both");
    queue.forget(&at("a"));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_change_that_is_due_keeps_its_class_whatever_else_is_due_or_arrives() {
    let second = Duration::from_secs(1);
    let begin = |now| {
        let mut queue = Queue::new(limits(10));
        queue.push(at("a"), lane(), Class::Resync, now);
        assert!(queue.pop(now).is_some());
        queue
    };
    let push_later =
        |queue: &mut Queue, from| queue.push_later(at("a"), lane(), Class::Change, from);
    for (pause, change) in [(3, 9), (9, 3)] {
        let (now, next) = (Instant::now(), ends(Next::After(second * pause)));
        let first = now + second * pause.min(change);
        let mut queue = begin(now);
        queue.finished(&at("a"), next, now);
        push_later(&mut queue, now + second * change);
        assert_eq!(queue.next_due(), Some(first), "it waits");
        assert_eq!(queue.pop(first).map(|item| item.class), Some(Class::Change), "it waits");
        let mut queue = begin(now);
        push_later(&mut queue, now + second * change);
        queue.finished(&at("a"), next, now);
        assert_eq!(queue.next_due(), Some(first), "it is worked on");
        assert_eq!(queue.pop(first).map(|item| item.class), Some(Class::Change), "it is worked on");
        assert_eq!(queue.next_due(), None, "once");
    }
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    push_later(&mut queue, now + second);
    queue.push(at("a"), lane(), Class::Resync, now);
    assert_eq!(queue.pop(now).map(|item| item.class), Some(Class::Change), "what came now");
    assert_eq!(queue.next_due(), None);
}

#[test]
fn what_arrives_for_an_object_that_is_worked_on_says_in_which_lane_it_is() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    let second = Duration::from_secs(1);
    queue.push(at("a"), lane(), Class::Change, now);
    assert!(queue.pop(now).is_some());
    queue.push_later(at("a"), "us-east-1".into(), Class::Change, now + second * 9);
    queue.finished(&at("a"), ends(Next::After(second)), now);
    assert!(queue.pop(now + second).is_some());
    assert_eq!(queue.lane_of(&at("a")), Some(&"us-east-1".into()));
}

#[test]
fn whoever_works_on_an_object_learns_that_it_was_changed_meanwhile() {
    type Arrives = fn(&mut Queue, Instant);
    let rows: [(&str, Arrives, bool); 5] = [
        ("a change", |queue, now| queue.push(at("a"), lane(), Class::Change, now), true),
        ("what it waited for", |queue, now| queue.push_first(at("a"), lane(), now), true),
        ("it is gone", |queue, _| queue.forget(&at("a")), true),
        (
            "its interval is over",
            |queue, now| queue.push(at("a"), lane(), Class::Resync, now),
            false,
        ),
        ("another changes", |queue, now| queue.push(at("b"), lane(), Class::Change, now), false),
    ];
    let now = Instant::now();
    for (name, arrives, learns) in rows {
        let mut queue = Queue::new(limits(10));
        queue.push(at("a"), lane(), Class::Resync, now);
        assert!(queue.pop(now).is_some());
        arrives(&mut queue, now);
        let expected = if learns { vec![at("a")] } else { Vec::new() };
        assert_eq!(queue.take_changed(), expected, "{name}");
        assert_eq!(queue.take_changed(), [], "{name}: once");
    }
}

#[test]
fn a_change_overtakes_a_resync_of_all() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for number in 0..1_000 {
        queue.push(at(&number.to_string()), lane(), Class::Resync, now);
    }
    queue.push(at("edited"), lane(), Class::Change, now);
    // One of the objects that wait for a resync is edited, too.
    queue.push(at("999"), lane(), Class::Change, now + Duration::from_secs(1));
    assert_eq!(name(queue.pop(now)).as_deref(), Some("edited"));
    let turn = queue.pop(now + Duration::from_secs(1)).unwrap();
    assert_eq!(
        (turn.at, turn.class, turn.waited),
        (at("999"), Class::Change, Duration::from_secs(1))
    );
    assert_eq!(name(queue.pop(now)).as_deref(), Some("0"));
}

#[test]
fn changes_without_end_do_not_stop_the_others() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for name in ["x", "y"] {
        queue.push(at(name), lane(), Class::Resync, now);
    }
    for number in 0..20 {
        queue.push(at(&number.to_string()), lane(), Class::Change, now);
    }
    let expected = "0 1 2 x 3 4 5 y 6 7 8 9 10 11 12 13 14 15 16 17 18 19";
    assert_eq!(drain(&mut queue, now), expected);
}

#[test]
fn a_resync_has_one_turn_of_four_and_a_retry_one_of_eight() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for (class, count) in [(Class::Change, 40), (Class::Resync, 20), (Class::Retry, 20)] {
        for number in 0..count {
            queue.push(at(&format!("{class:?}{number}")), lane(), class, now);
        }
    }
    let mut classes = Vec::new();
    for _ in 0..40 {
        let turn = queue.pop(now).unwrap();
        queue.finished(&turn.at, ends(Next::Change), now);
        classes.push(turn.class);
    }
    assert!(classes.windows(4).all(|four| four.contains(&Class::Resync)), "{classes:?}");
    assert!(classes.windows(9).all(|nine| nine.contains(&Class::Retry)), "{classes:?}");
    let changes = classes.iter().filter(|class| **class == Class::Change).count();
    assert!(changes >= 24, "{changes} of 40 are changes");
}

/// A resync that is due has no place until a list is read that others of its namespace wait for.
#[test]
fn a_retry_does_not_wait_for_resyncs_that_have_no_place() {
    let limits =
        ConcurrencyLimits { namespace_in_lane: 3, lane: 6, namespace: usize::MAX, all: usize::MAX };
    let (mut queue, now) = (Queue::new(limits), Instant::now());
    let push = |queue: &mut Queue, namespace: &str, class: Class, count: usize| {
        for number in 0..count {
            queue.push(
                ObjectRef::new(namespace, &format!("{class:?}{number}")),
                lane(),
                class,
                now,
            );
        }
    };
    push(&mut queue, "a", Class::Resync, 3);
    assert_eq!(queue.pop(now).unwrap().class, Class::Resync, "it waits for the list");
    push(&mut queue, "b", Class::Change, 40);
    push(&mut queue, "d", Class::Retry, 1);
    let turns = (0..9).map(|_| {
        let turn = queue.pop(now).unwrap();
        queue.finished(&turn.at, ends(Next::Change), now);
        turn.class
    });
    let turns: Vec<Class> = turns.collect();
    assert!(turns.contains(&Class::Retry), "{turns:?}");
}

#[test]
fn a_namespace_fills_neither_a_lane_nor_all_places() {
    let limits = ConcurrencyLimits { namespace_in_lane: 2, lane: 4, namespace: 3, all: 6 };
    let (mut queue, now) = (Queue::new(limits), Instant::now());
    let push = |queue: &mut Queue, namespace: &str, region: &str| {
        for number in 0..9 {
            let at = ObjectRef::new(namespace, &format!("{region}{number}"));
            queue.push(at, region.into(), Class::Change, now);
        }
    };
    let pop = |queue: &mut Queue| -> Vec<String> {
        let all = std::iter::from_fn(|| queue.pop(now));
        let mut names: Vec<_> = all.map(|turn| turn.at.to_string()).collect();
        names.sort();
        names
    };
    push(&mut queue, "greedy", "a");
    assert_eq!(pop(&mut queue), ["greedy/a0", "greedy/a1"], "two in a region");
    push(&mut queue, "greedy", "b");
    assert_eq!(pop(&mut queue), ["greedy/b0"], "three of a namespace");
    push(&mut queue, "quiet", "a");
    assert_eq!(pop(&mut queue), ["quiet/a0", "quiet/a1"], "four in a region");
    push(&mut queue, "other", "c");
    assert_eq!(pop(&mut queue), ["other/c0"], "the last one");
    push(&mut queue, "late", "d");
    assert_eq!(pop(&mut queue), [""; 0], "six in all");
    queue.finished(&ObjectRef::new("greedy", "b0"), ends(Next::Change), now);
    assert_eq!(pop(&mut queue), ["late/d0"], "who has none");
    let mut running: Vec<ObjectRef> = queue.running.keys().cloned().collect();
    while let Some(at) = running.pop() {
        queue.finished(&at, ends(Next::Change), now);
        running.extend(queue.pop(now).map(|turn| turn.at));
    }
    assert!(queue.running_by_namespace.is_empty() && queue.lanes.is_empty(), "nothing is kept");
}

/// Their regions do not answer, so none of their reconciliations ends soon.
#[test]
fn i14_namespaces_with_many_regions_leave_places_to_others() {
    let (mut queue, now) = (Queue::new(ConcurrencyLimits::new(10)), Instant::now());
    let push = |queue: &mut Queue, namespace: &str| {
        for region in 0..32 {
            let at = ObjectRef::new(namespace, &region.to_string());
            queue.push(at, LaneId::new(&region.to_string(), Some(namespace)), Class::Change, now);
        }
    };
    let pop = |queue: &mut Queue| {
        let all = std::iter::from_fn(|| queue.pop(now));
        let mut counts = BTreeMap::<String, usize>::new();
        all.for_each(|turn| *counts.entry(turn.at.namespace.to_string()).or_default() += 1);
        let words = counts.iter().map(|(namespace, count)| format!("{namespace} {count}"));
        words.collect::<Vec<_>>().join(" ")
    };
    for namespace in ["a", "b", "c", "d", "e"] {
        push(&mut queue, namespace);
    }
    assert_eq!(pop(&mut queue), "a 17 b 17 c 17 d 17 e 16");
    for (namespace, expected) in [("f", "f 8"), ("g", "g 4"), ("h", "h 2"), ("i", "i 1")] {
        push(&mut queue, namespace);
        assert_eq!(pop(&mut queue), expected, "of those that were left");
    }
    queue.push(ObjectRef::new("quiet", "z"), "z".into(), Class::Change, now);
    assert_eq!(pop(&mut queue), "quiet 1", "the last one");
    queue.push(ObjectRef::new("other", "z"), "z".into(), Class::Change, now);
    for expected in ["other 1", ""] {
        let ended = queue.running.keys().find(|at| *at.namespace == *"a").cloned().unwrap();
        queue.finished(&ended, ends(Next::Change), now);
        assert_eq!(pop(&mut queue), expected, "who has none, whichever lane has its turn");
    }
}

#[test]
fn namespaces_take_turns() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for number in 0..1_000 {
        queue.push(ObjectRef::new("crowded", &format!("c{number}")), lane(), Class::Change, now);
    }
    for name in ["a", "b"] {
        queue.push(ObjectRef::new("quiet", name), lane(), Class::Change, now);
    }
    assert!(drain(&mut queue, now).starts_with("c0 a c1 b c2 c3"));
}

#[test]
fn an_object_that_is_gone_costs_its_namespace_no_turn() {
    let (mut queue, now) = (Queue::new(limits(1)), Instant::now());
    for (namespace, name) in [("n", "gone"), ("n", "a"), ("n", "b"), ("m", "c"), ("m", "d")] {
        queue.push(ObjectRef::new(namespace, name), lane(), Class::Change, now);
    }
    queue.forget(&at("gone"));
    assert_eq!(drain(&mut queue, now), "a c b d");
}

#[test]
fn a_region_that_does_not_answer_delays_no_other() {
    let (mut queue, now) = (Queue::new(limits(2)), Instant::now());
    for number in 0..5 {
        queue.push(at(&format!("dead{number}")), "dead".into(), Class::Change, now);
    }
    for number in 0..3 {
        queue.push(at(&format!("live{number}")), "live".into(), Class::Change, now);
    }
    let mut running: Vec<_> = std::iter::from_fn(|| name(queue.pop(now))).collect();
    running.sort();
    assert_eq!(running, ["dead0", "dead1", "live0", "live1"]);
    queue.finished(&at("live0"), ends(Next::Change), now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("live2"));
    assert_eq!(queue.pop(now), None);
}

#[test]
fn a_change_finds_a_place_though_all_others_wait_for_a_list() {
    let (mut queue, now) = (Queue::new(limits(5)), Instant::now());
    for number in 0..9 {
        queue.push(at(&number.to_string()), lane(), Class::Resync, now);
    }
    assert_eq!(std::iter::from_fn(|| queue.pop(now)).count(), 3);
    for name in ["a", "b", "c"] {
        queue.push(at(name), lane(), Class::Change, now);
    }
    let names: Vec<_> = std::iter::from_fn(|| name(queue.pop(now))).collect();
    assert_eq!(names, ["a", "b"]);
    queue.finished(&at("0"), ends(Next::Change), now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("c"));
    queue.finished(&at("a"), ends(Next::Change), now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("3"));
}

#[test]
fn what_is_tried_again_leaves_half_of_the_places_and_takes_turns_with_resyncs() {
    let (mut queue, now) = (Queue::new(limits(4)), Instant::now());
    let failed = |number: u32| at(&format!("f{number}"));
    for number in 0..6 {
        queue.push(failed(number), lane(), Class::Change, now);
    }
    while let Some(turn) = queue.pop(now) {
        queue.finished(&turn.at, ends(Next::Backoff), now);
    }
    let later = now + FIRST_PAUSE;
    let mut running: Vec<_> =
        std::iter::from_fn(|| queue.pop(later)).map(|turn| (turn.class, turn.at)).collect();
    assert_eq!(running.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [Class::Retry; 2]);
    assert_eq!(queue.depth(Class::Retry), 4);
    for name in ["a", "b", "c"] {
        queue.push(at(name), lane(), Class::Resync, later);
    }
    assert_eq!(queue.pop(later), None, "two places are for changes");
    let mut classes = Vec::new();
    while let Some((_, at)) = running.pop() {
        queue.finished(&at, ends(Next::Change), later);
        running.extend(queue.pop(later).map(|turn| (turn.class, turn.at)));
        classes.extend(running.last().map(|(class, _)| *class));
    }
    assert_eq!(classes[..4], [Class::Resync, Class::Retry, Class::Resync, Class::Retry]);
    assert_eq!(queue.depth, [0; 3]);
}

#[test]
fn pauses_grow_to_a_bound_and_start_anew_after_a_success() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    let mut before = Duration::ZERO;
    for _ in 0..40 {
        let pause = queue.pause(&at("a"), FIRST_PAUSE, Outcome::Unchanged);
        assert!(pause <= LONGEST_PAUSE && pause >= before.min(LONGEST_PAUSE / 4 * 3));
        before = pause;
    }
    let mut pause_after = |next| {
        queue.push(at("a"), lane(), Class::Change, now);
        queue.pop(now);
        queue.finished(&at("a"), ends(next), now);
        queue.pause(&at("a"), FIRST_PAUSE, Outcome::Unchanged)
    };
    let while_it_is_repeated = pause_after(Next::Meanwhile(Duration::ZERO));
    assert!(while_it_is_repeated >= LONGEST_PAUSE / 4 * 3);
    assert!(pause_after(Next::Change) <= FIRST_PAUSE);
}

#[test]
fn a_pause_that_has_a_bound_of_its_own_grows_no_longer_than_that() {
    let (mut queue, mut now) = (Queue::new(limits(10)), Instant::now());
    let longest = Duration::from_secs(3);
    queue.push(at("a"), lane(), Class::Change, now);
    for _ in 0..6 {
        queue.pop(now);
        queue.finished(&at("a"), ends(Next::BackoffWithin(longest)), now);
        assert!(queue.next_due().is_some_and(|due| due <= now + longest));
        now += longest;
    }
}

#[test]
fn failures_are_counted_by_kind_until_something_is_shown() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    let mut failures_after = |action: Action| {
        queue.push(at("a"), lane(), Class::Change, now);
        queue.pop(now).unwrap();
        queue.finished(&at("a"), action, now);
        queue.push(at("a"), lane(), Class::Change, now);
        let failures = queue.pop(now).unwrap().failures;
        queue.finished(&at("a"), action, now);
        (failures.conflicts, failures.failed)
    };
    let conflict = Action { next: Next::StartOver, outcome: Outcome::Conflict };
    let refusal = Action { next: Next::Backoff, outcome: Outcome::KubernetesError };
    let pause = Next::After(Duration::from_secs(1));
    let not_leading = Action { next: pause, outcome: Outcome::NotLeading };
    for (name, action, counted) in [
        ("a conflict", conflict, (1, 0)),
        ("a refusal", refusal, (2, 1)),
        ("a wait for the Lease", not_leading, (2, 2)),
        ("a failure that is shown", ends(Next::Backoff), (0, 0)),
        ("a refusal after it", refusal, (0, 1)),
        ("a success", ends(Next::Change), (0, 0)),
    ] {
        assert_eq!(failures_after(action), counted, "{name}");
    }
}
