//! The object that the page shows is one.

use lightsail_operator::api::account::{LightsailAccount, SessionTags};
use serde_json::Value;

use super::{ACCOUNT, EXTERNAL_ID, ROLE, arn_of};
use crate::markdown::{blocks, read};

/// Whether everything that is in one value is in the other.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|other| is_part_of(value, other))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len()
                && part.iter().zip(whole).all(|(part, whole)| is_part_of(part, whole))
        }
        (part, whole) => part == whole,
    }
}

#[test]
fn the_account_on_the_page_is_one_of_these_files() {
    let page = blocks(&read("docs/lightsailaccount.md".as_ref()));
    let mut accounts = page.iter().filter(|block| block.text.contains("sessionTags: Namespace"));
    let shown = &accounts.next().unwrap().text;
    let written: Value = serde_yaml_ng::from_str(shown).unwrap();
    let account: LightsailAccount = serde_json::from_value(written.clone()).unwrap();
    let read = serde_json::to_value(&account).unwrap();
    assert!(is_part_of(&written, &read), "{written} has fields that {read} has not");
    let spec = account.spec;
    assert_eq!(spec.account_id, ACCOUNT);
    assert_eq!(spec.session_tags, SessionTags::Namespace);
    let last = spec.assume_role_chain.last().unwrap();
    assert_eq!(last.role_arn, arn_of(ACCOUNT, ROLE));
    assert_eq!(last.external_id.as_deref(), Some(EXTERNAL_ID));
}
