//! A lock whose waiters take turns by group: a group with a hundred waiters costs a waiter of
//! another group one turn, not a hundred. Groups are namespaces, so that none can keep the others
//! from what all of them share.
//!
//! Somebody who can wait only for a moment goes before all groups, once for each turn that its
//! group has had since. So it need not wait for a turn of every group, and others wait for one more
//! turn of that group at most.
//!
//! A waiter that gives up leaves the line, and if it was just handed the permit, passes it on. A
//! group is kept only while it has waiters, or has gone ahead and others still wait.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The line. Clones are the same line.
#[derive(Clone, Debug, Default)]
pub(crate) struct FairLine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_held: bool,
    /// The groups with waiters, each once, in the order of their turns.
    order: VecDeque<Arc<str>>,
    /// The waiters of each group, in the order of asking.
    waiting: HashMap<Arc<str>, VecDeque<Waiter>>,
    /// The groups that went before all others, and have had no turn of their own since.
    went_ahead: HashSet<Arc<str>>,
    next_number: u64,
}

/// Where somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Before those of its group that wait in turn, and once before all groups.
    First,
    /// In the order of asking.
    InTurn,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    rank: Rank,
    hand: oneshot::Sender<Permit>,
}

/// Holds the lock. Dropping this gives it to the next in line.
#[derive(Debug)]
pub(crate) struct Permit(FairLine);

impl FairLine {
    /// Waits for the turn of this group, and then holds the lock.
    ///
    /// # Panics
    /// Never: a waiter stays in the line until it has the permit or gives up.
    pub(crate) async fn turn(&self, group: &Arc<str>, rank: Rank) -> Permit {
        let mut ticket = match self.join(group, rank) {
            Ok(permit) => return permit,
            Err(ticket) => ticket,
        };
        let permit = (&mut ticket.hand).await;
        ticket.is_served = true;
        permit.expect("a waiter stays in the line until it has the permit or gives up")
    }

    fn join(&self, group: &Arc<str>, rank: Rank) -> Result<Permit, Ticket> {
        let mut state = self.0.lock();
        if !state.is_held {
            state.is_held = true;
            return Ok(Permit(self.clone()));
        }
        let number = state.next_number;
        state.next_number += 1;
        let (hand, receiver) = oneshot::channel();
        if !state.waiting.contains_key(group) {
            state.order.push_back(Arc::clone(group));
        }
        let waiters = state.waiting.entry(Arc::clone(group)).or_default();
        let at = match rank {
            Rank::First => waiters.iter().take_while(|waiter| waiter.rank == rank).count(),
            Rank::InTurn => waiters.len(),
        };
        waiters.insert(at, Waiter { number, rank, hand });
        drop(state);
        let (line, group) = (self.clone(), Arc::clone(group));
        Err(Ticket { line, group, rank, number, hand: receiver, is_served: false })
    }
}

impl State {
    /// Whose turn it is. A group that has more waiters goes to the end.
    fn next(&mut self) -> Option<Waiter> {
        let ahead = self.order.iter().position(|group| self.may_go_ahead(group));
        let Some(group) = self.order.remove(ahead.unwrap_or_default()) else {
            self.went_ahead.clear();
            return None;
        };
        if ahead.is_some() {
            self.went_ahead.insert(Arc::clone(&group));
        } else {
            self.went_ahead.remove(&group);
        }
        let waiters = self.waiting.get_mut(&group)?;
        let next = waiters.pop_front();
        if waiters.is_empty() {
            self.waiting.remove(&group);
        } else {
            self.order.push_back(group);
        }
        next
    }

    fn may_go_ahead(&self, group: &Arc<str>) -> bool {
        let first = self.waiting.get(group).and_then(VecDeque::front);
        first.is_some_and(|first| first.rank == Rank::First) && !self.went_ahead.contains(group)
    }

    fn leave(&mut self, group: &Arc<str>, number: u64) {
        let Some(waiters) = self.waiting.get_mut(group) else { return };
        waiters.retain(|waiter| waiter.number != number);
        if waiters.is_empty() {
            self.waiting.remove(group);
            self.order.retain(|other| other != group);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.0.lock();
            let next = state.next();
            state.is_held = next.is_some();
            next
        };
        if let Some(next) = next {
            // If that waiter has just given up, the permit comes back and is dropped, which passes
            // it on.
            drop(next.hand.send(Permit(self.0.clone())));
        }
    }
}

/// What a waiter holds. Dropping it leaves the line.
struct Ticket {
    line: FairLine,
    group: Arc<str>,
    rank: Rank,
    number: u64,
    hand: oneshot::Receiver<Permit>,
    is_served: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.line.0.lock();
        state.leave(&self.group, self.number);
        if self.rank == Rank::First && !self.is_served {
            // Who gave up comes back, and may go ahead then.
            state.went_ahead.remove(&self.group);
        }
        // A permit that was handed over and not received is dropped with `hand`.
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Permit>>>;

    fn wait(line: &FairLine, group: &str) -> Waiting {
        wait_as(line, group, Rank::InTurn)
    }

    fn wait_as(line: &FairLine, group: &str, rank: Rank) -> Waiting {
        let (line, group) = (line.clone(), Arc::from(group));
        let mut waiting: Waiting = Box::pin(async move { line.turn(&group, rank).await });
        assert!(poll(&mut waiting).is_none(), "somebody else holds the lock");
        waiting
    }

    fn poll(waiting: &mut Waiting) -> Option<Permit> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    fn take(line: &FairLine) -> Permit {
        line.join(&Arc::from("first"), Rank::InTurn).ok().unwrap()
    }

    fn is_empty(line: &FairLine) -> bool {
        let state = line.0.lock();
        let is_nobody_there = state.order.is_empty() && state.waiting.is_empty();
        !state.is_held && is_nobody_there && state.went_ahead.is_empty()
    }

    /// Who gets the permit, one after the other, when each gives it back immediately.
    fn served(permit: Permit, mut waiting: Vec<(&str, Waiting)>) -> String {
        let mut served = Vec::new();
        drop(permit);
        while !waiting.is_empty() {
            let mut next = waiting
                .iter_mut()
                .enumerate()
                .filter_map(|(index, (_, waiting))| poll(waiting).map(|permit| (index, permit)));
            let (index, permit) = next.next().expect("the permit is passed on");
            assert!(next.next().is_none(), "one at a time");
            drop(next);
            served.push(waiting.remove(index).0);
            drop(permit);
        }
        served.join(" ")
    }

    #[test]
    fn who_cannot_wait_goes_before_all_groups_once() {
        let line = FairLine::default();
        let permit = take(&line);
        let mut other = wait(&line, "other");
        let mut second_of_other = wait(&line, "other");
        let mut read = wait(&line, "own");
        let mut change = wait_as(&line, "own", Rank::First);
        let mut second_change = wait_as(&line, "own", Rank::First);
        drop(permit);
        let order = [
            ("it goes ahead", &mut change),
            ("then the other group, which came first", &mut other),
            ("the next of its group does not go ahead, but before its reads", &mut second_change),
            ("the other group again", &mut second_of_other),
            ("then who waits in turn", &mut read),
        ];
        for (name, waiting) in order {
            drop(poll(waiting).expect(name));
        }
        assert!(is_empty(&line));
    }

    #[test]
    fn who_gave_up_may_go_ahead_again() {
        let line = FairLine::default();
        let permit = take(&line);
        let mut other = wait(&line, "other");
        let mut ahead = wait_as(&line, "own", Rank::First);
        drop(permit);
        let permit = poll(&mut ahead).expect("it goes ahead");
        // Its group has had no turn since, so it waits for one, and gives up.
        drop(wait_as(&line, "own", Rank::First));
        let handed = wait_as(&line, "own", Rank::First);
        drop(permit);
        // The permit was handed to it, but it was gone by then.
        drop(handed);
        let permit = poll(&mut other).expect("the permit is passed on");
        let mut other = wait(&line, "other");
        let mut again = wait_as(&line, "own", Rank::First);
        drop(permit);
        drop(poll(&mut again).expect("it goes ahead again"));
        drop(poll(&mut other).expect("then the other group"));
        assert!(is_empty(&line));
    }

    /// Each group reads and then changes something, again and again, as many namespaces do that
    /// delete their objects.
    #[test]
    fn a_change_after_a_read_waits_for_one_turn_however_many_groups_there_are() {
        let groups: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let line = FairLine::default();
        let mut permit = take(&line);
        let mut reads: Vec<_> = groups.iter().map(|group| wait(&line, group)).collect();
        let mut change: Option<(usize, Waiting)> = None;
        let mut changes = Vec::new();
        for _ in 0..400 {
            drop(permit);
            if let Some((group, mut waiting)) = change.take() {
                permit = poll(&mut waiting).expect("the change that waits is next");
                changes.push(group);
                continue;
            }
            let mut served = reads.iter_mut().enumerate();
            let (group, next) =
                served.find_map(|(group, read)| Some((group, poll(read)?))).unwrap();
            permit = next;
            reads[group] = wait(&line, &groups[group]);
            change = Some((group, wait_as(&line, &groups[group], Rank::First)));
        }
        let in_turn: Vec<_> = (0..groups.len()).cycle().take(200).collect();
        assert_eq!(changes, in_turn, "and the groups take turns");
    }

    #[test]
    fn groups_take_turns_and_a_group_is_served_in_order() {
        for (name, line_up, expected) in [
            ("one group, first come, first served", "a1 a2 a3", "a1 a2 a3"),
            ("a crowd costs another one turn", "a1 a2 a3 a4 b1", "a1 b1 a2 a3 a4"),
            ("each crowd", "a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3"),
        ] {
            let line = FairLine::default();
            let permit = take(&line);
            let waiting = line_up.split(' ').map(|who| (who, wait(&line, &who[..1]))).collect();
            assert_eq!(served(permit, waiting), expected, "{name}");
            assert!(is_empty(&line), "{name}: nothing is kept");
        }
    }

    #[test]
    fn who_comes_back_at_once_waits_behind_the_other_groups() {
        let line = FairLine::default();
        let permit = take(&line);
        let mut first = wait(&line, "a");
        let mut other = wait(&line, "b");
        drop(permit);
        let permit = poll(&mut first).unwrap();
        let mut again = wait(&line, "a");
        drop(permit);
        assert!(poll(&mut again).is_none());
        drop(poll(&mut other).unwrap());
        drop(poll(&mut again).unwrap());
        assert!(is_empty(&line));
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let line = FairLine::default();
        let permit = take(&line);
        let line_up = ["a1", "a2", "b1", "c1"].map(|who| (who, wait(&line, &who[..1])));
        let [first, second, gone, last] = line_up;
        drop(gone);
        assert_eq!(line.0.lock().waiting.len(), 2, "nothing is kept of a group that left");
        assert_eq!(line.0.lock().order.len(), 2);
        drop(first);
        assert_eq!(served(permit, vec![second, last]), "a2 c1");
        assert!(is_empty(&line));
    }

    #[test]
    fn a_permit_that_was_handed_to_who_gave_up_is_passed_on() {
        let line = FairLine::default();
        let permit = take(&line);
        let (handed, mut next) = (wait(&line, "a"), wait(&line, "b"));
        drop(permit);
        assert!(poll(&mut next).is_none(), "the permit was handed to the first");
        drop(handed);
        drop(poll(&mut next).expect("it is passed on"));
        let (permit, handed) = (take(&line), wait(&line, "a"));
        drop(permit);
        drop(handed);
        assert!(is_empty(&line), "without others, it is given back");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_forgotten_when_many_wait_and_give_up() {
        let line = FairLine::default();
        let inside = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for index in 0..400_usize {
            let (line, inside) = (line.clone(), Arc::clone(&inside));
            let group = Arc::from(format!("n{}", index % 7));
            tasks.push(tokio::spawn(async move {
                let waits = line.turn(&group, Rank::InTurn);
                let permit = if index.is_multiple_of(3) {
                    // Gives up sooner or later, or gets the permit.
                    tokio::select! {
                        permit = waits => Some(permit),
                        () = async { for _ in 0..index % 11 { tokio::task::yield_now().await } }
                            => None,
                    }
                } else {
                    Some(waits.await)
                };
                if permit.is_some() {
                    let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "one at a time");
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(is_empty(&line));
    }
}
