//! What memory keeps of an object that has shown its status.

use super::*;
use crate::api::conditions::{Conditions, READY};
use crate::api::{LightsailKeyPairStatus, Reason};
use crate::api::key_pair::{ImportIntent, Origin};

#[test]
fn what_is_kept_of_an_object_follows_from_its_record() {
    let (adopted, none) = (Some(Origin::Adopted), None);
    for (name, has_pair, origin, has_intent, shows, expected) in [
        ("it imports nothing", false, none, false, Reason::NameConflict, [false, true, false]),
        ("it is about to import", false, none, true, Reason::InProgress, [true, true, false]),
        ("its import failed", false, none, true, Reason::OperationFailed, [true, true, true]),
        ("its deletion failed", true, none, false, Reason::OperationFailed, [true, false, true]),
        ("its pair is on record", true, none, false, Reason::Imported, [true, false, false]),
        ("and an intent still is", true, none, true, Reason::Imported, [true, false, false]),
        ("its adoption came to nothing", false, adopted, false, Reason::NameConflict,
         [false, true, false]),
        ("its adoption failed", false, adopted, false, Reason::AccessDenied, [true, true, false]),
    ] {
        let shown = Conditions::new(&[], 1, time(NOW));
        let status = LightsailKeyPairStatus {
            arn: has_pair.then(|| "arn".to_owned()),
            origin,
            import_intent: has_intent.then(ImportIntent::default),
            conditions: shown.with(READY, "False", shows, "").into_list(),
            ..LightsailKeyPairStatus::default()
        };
        let [keeps_within_limit, keeps_import, keeps_failure] = expected;
        let expected = Aftermath { keeps_within_limit, keeps_import, keeps_failure };
        assert_eq!(aftermath(&status), expected, "{name}");
    }
}
