//! What the queue keeps of objects that are gone: nothing.

use super::*;

/// Objects are deleted and created again in other lanes, while nobody has a place.
#[test]
fn i14_nothing_is_kept_of_a_lane_whose_names_are_all_stale() {
    let (mut queue, now) = (Queue::new(limits(1)), Instant::now());
    let of_account = |number: usize| LaneId::new("eu-west-1", Some(&format!("account-{number}")));
    queue.push(at("running"), lane(), Class::Change, now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("running"));
    for name in ["a", "b", "c"] {
        queue.push(at(name), lane(), Class::Change, now);
    }
    for number in 0..3 {
        queue.forget(&at("a"));
        queue.push(at("a"), of_account(number), Class::Change, now);
    }
    queue.forget(&at("b"));
    queue.push(at("b"), lane(), Class::Change, now);
    assert_eq!(name(queue.pop(now)).as_deref(), Some("a"), "where it is now");
    assert_eq!(queue.lane_of(&at("a")), Some(&of_account(2)));
    for name in ["a", "running"] {
        queue.finished(&at(name), ends(Next::Change), now);
    }
    assert_eq!(drain(&mut queue, now), "b c", "each once");
    assert!(queue.lanes.is_empty(), "{:?}", queue.lanes);
    assert!(queue.waiting_by_namespace.is_empty());
}

#[test]
fn whoever_ends_a_reconciliation_learns_that_its_object_was_forgotten() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for (is_forgotten, next) in
        [(true, Next::StartOver), (true, Next::Change), (false, Next::Change)]
    {
        queue.push(at("a"), lane(), Class::Change, now);
        assert!(queue.pop(now).is_some());
        if is_forgotten {
            queue.forget(&at("a"));
        }
        assert_eq!(queue.finished(&at("a"), ends(next), now), is_forgotten);
        assert_eq!(queue.next_due(), None);
    }
}

#[test]
fn a_follower_that_works_on_nothing_keeps_nothing_of_what_is_gone() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for number in 0..1_000 {
        let (at, own) = (at(&number.to_string()), LaneId::new(&format!("region-{number}"), None));
        queue.push(at.clone(), own, Class::Resync, now);
        queue.push(at.clone(), lane(), Class::Change, now);
        queue.forget(&at);
        assert_eq!(queue.lanes.len(), 0);
        queue.push(ObjectRef::new("n", "stays"), lane(), Class::Change, now);
        queue.push(at.clone(), lane(), Class::Change, now);
        queue.forget(&at);
        let names = format!("{:?}", queue.lanes).matches("ObjectRef").count();
        assert!(names <= 40, "{names} names");
        queue.forget(&ObjectRef::new("n", "stays"));
    }
    for number in 0..100 {
        queue.push(at(&number.to_string()), lane(), Class::Change, now);
    }
    for number in 0..99 {
        queue.forget(&at(&number.to_string()));
    }
    assert_eq!(name(queue.pop(now)).as_deref(), Some("99"));
    assert_eq!(queue.pop(now), None);
}

#[test]
fn nothing_is_kept_of_what_is_gone() {
    let (mut queue, now) = (Queue::new(limits(10)), Instant::now());
    for _ in 0..3 {
        queue.push(at("a"), lane(), Class::Change, now);
        queue.pop(now);
        queue.finished(&at("a"), ends(Next::Backoff), now);
        queue.forget(&at("a"));
    }
    let kept = [
        queue.waiting.len(),
        queue.running.len(),
        queue.due.len(),
        queue.due_at.len(),
        queue.failures.len(),
    ];
    assert_eq!(kept, [0; 5]);
}

#[test]
fn what_is_forgotten_does_not_come_back_by_itself() {
    let now = Instant::now();
    let mut queue = Queue::new(limits(10));
    queue.push(at("waits"), lane(), Class::Change, now);
    queue.forget(&at("waits"));
    assert_eq!((queue.pop(now), queue.depth(Class::Change)), (None, 0));
    for next in [Next::After(Duration::ZERO), Next::Backoff, Next::StartOver] {
        queue.push(at("runs"), lane(), Class::Change, now);
        assert!(queue.pop(now).is_some());
        queue.forget(&at("runs"));
        queue.finished(&at("runs"), ends(next), now);
        assert_eq!(queue.next_due(), None, "{next:?}");
    }
    queue.push(at("runs"), lane(), Class::Change, now);
    assert!(queue.pop(now).is_some());
    queue.forget(&at("runs"));
    queue.push(at("runs"), lane(), Class::Change, now);
    queue.finished(&at("runs"), ends(Next::Change), now);
    assert!(queue.pop(now).is_some(), "something came for it since");
}
