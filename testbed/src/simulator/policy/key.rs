//! The names of condition keys.

use super::super::session_tags::is_tag_character;

/// Keys that a request can have here, in lower case.
const KEYS: [&str; 9] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:tagkeys",
    "sts:externalid",
    "sts:rolesessionname",
    "sts:transitivetagkeys",
];

/// The same of those that end with the key of a tag.
const OF_TAGS: [&str; 3] = ["aws:principaltag", "aws:requesttag", "aws:resourcetag"];

/// Whether a request can have this key here. A policy with any other is refused: no request ever
/// has a misspelled key, so a `Null` of it would hold for each of them.
pub(super) fn is_known(key: &str) -> bool {
    let key = key.to_lowercase();
    match key.split_once('/') {
        Some((name, tag)) => {
            OF_TAGS.contains(&name) && !tag.is_empty() && tag.chars().all(is_tag_character)
        }
        None => KEYS.contains(&key.as_str()),
    }
}
