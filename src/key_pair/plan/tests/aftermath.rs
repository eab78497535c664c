//! What memory keeps of an object that has shown its status.

use super::*;
use crate::api::conditions::{Conditions, READY};
use crate::api::{LightsailKeyPairStatus, Reason};
use crate::api::key_pair::ImportIntent;

#[test]
fn what_is_kept_of_an_object_follows_from_its_record() {
    for (name, has_pair, has_intent, shows, expected) in [
        ("it imports nothing", false, false, Reason::NameConflict, [false, true, false]),
        ("it is about to import", false, true, Reason::InProgress, [true, true, false]),
        ("its import failed", false, true, Reason::OperationFailed, [true, true, true]),
        ("its deletion failed", true, false, Reason::OperationFailed, [true, false, true]),
        ("its pair is on record", true, false, Reason::Imported, [true, false, false]),
        ("and an intent still is", true, true, Reason::Imported, [true, false, false]),
    ] {
        let shown = Conditions::new(&[], 1, time(NOW));
        let status = LightsailKeyPairStatus {
            arn: has_pair.then(|| "arn".to_owned()),
            import_intent: has_intent.then(ImportIntent::default),
            conditions: shown.with(READY, "False", shows, "").into_list(),
            ..LightsailKeyPairStatus::default()
        };
        let [keeps_within_limit, keeps_import, keeps_failure] = expected;
        let expected = Aftermath { keeps_within_limit, keeps_import, keeps_failure };
        assert_eq!(aftermath(&status), expected, "{name}");
    }
}
