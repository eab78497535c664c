//! What memory keeps of an object that has shown its status.

use super::*;
use crate::api::LightsailKeyPairStatus;
use crate::api::key_pair::ImportIntent;

#[test]
fn what_is_kept_of_an_object_follows_from_its_record() {
    for (name, has_pair, has_intent, expected) in [
        ("it imports nothing", false, false, (false, true)),
        ("it is about to import", false, true, (true, true)),
        ("its pair is on record", true, false, (true, false)),
        ("its pair is on record, and an intent still is", true, true, (true, false)),
    ] {
        let status = LightsailKeyPairStatus {
            arn: has_pair.then(|| "arn".to_owned()),
            import_intent: has_intent.then(ImportIntent::default),
            ..LightsailKeyPairStatus::default()
        };
        let (keeps_within_limit, keeps_import) = expected;
        assert_eq!(aftermath(&status), Aftermath { keeps_within_limit, keeps_import }, "{name}");
    }
}
