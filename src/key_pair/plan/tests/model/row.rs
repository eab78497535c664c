//! A counterexample as a row of the plan's tables.

use std::fmt::Write;

use super::super::*;

/// The row: what differs from the worlds that the tables begin with, and what the plan answered.
pub(super) fn row(wanted: &Desired, seen: &Observed, answer: &str) -> String {
    let (plain, nothing) = (desired(), observed());
    let mut row = String::from("(\"…\", |d, o| {\n");
    let mut set = |field: &str, value: &dyn std::fmt::Debug, default: &dyn std::fmt::Debug| {
        let (value, default) = (format!("{value:?}"), format!("{default:?}"));
        if value != default {
            let _ = writeln!(row, "    {field} = {value};");
        }
    };
    set("d.pair", &wanted.pair, &plain.pair);
    set("d.goal", &wanted.goal, &plain.goal);
    set("d.deletion_policy", &wanted.deletion_policy, &plain.deletion_policy);
    set("d.expected_fingerprint", &wanted.expected_fingerprint, &plain.expected_fingerprint);
    set("d.owner", &wanted.owner, &plain.owner);
    set("d.adoption", &wanted.adoption, &plain.adoption);
    set("d.suspend", &wanted.suspend, &plain.suspend);
    set("d.uid", &wanted.uid, &plain.uid);
    set("o.recorded", &seen.recorded, &nothing.recorded);
    set("o.has_finalizer", &seen.has_finalizer, &nothing.has_finalizer);
    set("o.pair", &seen.pair, &nothing.pair);
    set("o.source", &seen.source, &nothing.source);
    set("o.secret", &seen.secret, &nothing.secret);
    set("o.key_missing_since", &seen.key_missing_since, &nothing.key_missing_since);
    set("o.copy", &seen.copy, &nothing.copy);
    set("o.rivals", &seen.rivals, &nothing.rivals);
    set("o.crowd", &seen.crowd, &nothing.crowd);
    set("o.sent", &seen.sent, &nothing.sent);
    set("o.deletion_may_follow", &seen.deletion_may_follow, &nothing.deletion_may_follow);
    set("o.download_may_follow", &seen.download_may_follow, &nothing.download_may_follow);
    set("o.predecessors_may_act", &seen.predecessors_may_act, &nothing.predecessors_may_act);
    set("o.predecessor", &seen.predecessor, &nothing.predecessor);
    set("o.failure", &seen.failure, &nothing.failure);
    set("o.done", &seen.done, &nothing.done);
    let _ = write!(row, "}}, \"{answer}\"),");
    row
}
