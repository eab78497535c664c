//! Session tags: what the tags of `AssumeRole` have to be like, and which of them the next session
//! of a chain inherits.
//!
//! The rules are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>
//! and of the API model. `InvalidParameterValue` and its words are those that
//! <https://github.com/localstack/localstack> has recorded from AWS
//! (`tests/aws/services/sts/test_sts.snapshot.json`), but for the one about `aws:`.

use super::error::{ApiError, Result};

/// A session has at most this many tags in a request.
const MAX_TAGS: usize = 50;

/// A tag of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionTag {
    pub(super) key: String,
    pub(super) value: String,
    /// Whether the sessions of the next role in a chain inherit it.
    pub(super) transitive: bool,
}

impl SessionTag {
    fn is(&self, key: &str) -> bool {
        self.key.to_lowercase() == key.to_lowercase()
    }
}

/// The tags of a request: pairs of a key and a value, and the keys of those that are transitive.
pub(super) fn requested(
    pairs: Vec<(String, String)>,
    transitive: &[String],
) -> Result<Vec<SessionTag>> {
    for (member, length) in [("tags", pairs.len()), ("transitiveTagKeys", transitive.len())] {
        if length > MAX_TAGS {
            return Err(too_long(member, MAX_TAGS));
        }
    }
    let mut tags: Vec<SessionTag> = Vec::new();
    for (key, value) in pairs {
        check(&key, &value)?;
        if tags.iter().any(|tag| tag.is(&key)) {
            let message =
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(invalid(message));
        }
        tags.push(SessionTag { key, value, transitive: false });
    }
    for key in transitive {
        let Some(tag) = tags.iter_mut().find(|tag| tag.is(key)) else {
            let message =
                "The specified transitive tag key must be included in the requested tags.";
            return Err(invalid(message));
        };
        tag.transitive = true;
    }
    Ok(tags)
}

/// What the next session inherits of a session with these tags. It must not set them anew.
pub(super) fn inherited(
    of_caller: &[SessionTag],
    requested: &[SessionTag],
) -> Result<Vec<SessionTag>> {
    let inherited: Vec<_> = of_caller.iter().filter(|tag| tag.transitive).cloned().collect();
    if requested.iter().any(|tag| inherited.iter().any(|own| own.is(&tag.key))) {
        return Err(invalid(
            "One of the specified transitive tag keys can't be set because it conflicts with a \
             transitive tag key from the calling session.",
        ));
    }
    Ok(inherited)
}

fn check(key: &str, value: &str) -> Result<()> {
    if key.is_empty() {
        let length = "Member must have length greater than or equal to 1";
        return Err(constraint("tags.member.key", length));
    }
    for (member, text, most, repeated) in
        [("tags.member.key", key, 128, '+'), ("tags.member.value", value, 256, '*')]
    {
        if text.chars().count() > most {
            return Err(too_long(member, most));
        }
        if !text.chars().all(is_tag_character) {
            let pattern = format!(
                "Member must satisfy regular expression pattern: \
                 [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]{repeated}"
            );
            return Err(constraint(member, &pattern));
        }
    }
    if key.to_lowercase().starts_with("aws:") {
        // The code and the words are unverified.
        return Err(invalid("Tag keys cannot start with AWS reserved prefix for system tags."));
    }
    Ok(())
}

/// Neither `*` nor `?` is one, so that no value of a tag can be a wildcard.
pub(super) fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

fn too_long(member: &str, most: usize) -> ApiError {
    constraint(member, &format!("Member must have length less than or equal to {most}"))
}

fn constraint(member: &str, constraint: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
         {constraint}"
    );
    ApiError::sts("ValidationError", 400, message)
}

fn invalid(message: &str) -> ApiError {
    ApiError::sts("InvalidParameterValue", 400, message)
}

#[cfg(test)]
mod tests {
    use super::{inherited, requested};

    fn outcome(pairs: &[(&str, &str)], transitive: &[&str]) -> Result<usize, String> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let transitive: Vec<_> = transitive.iter().map(|key| (*key).to_owned()).collect();
        let tags = requested(pairs.collect(), &transitive).map_err(|error| error.error_type)?;
        Ok(tags.iter().filter(|tag| tag.transitive).count())
    }

    /// A row: tags, transitive keys, and how many tags are transitive, or the error.
    #[test]
    fn requests() {
        let (key, value) = ("k".repeat(129), "v".repeat(257));
        let (invalid, wrong) = (Err("InvalidParameterValue"), Err("ValidationError"));
        for (pairs, transitive, wanted) in [
            (vec![], vec![], Ok(0)),
            (vec![("team", "a")], vec![], Ok(0)),
            (vec![("team", "a"), ("stage", "")], vec!["team", "STAGE"], Ok(2)),
            (vec![(&key[1..], &value[1..])], vec![], Ok(0)),
            (vec![("team", "a"), ("Team", "b")], vec![], invalid),
            (vec![("team", "a")], vec!["stage"], invalid),
            (vec![], vec!["team"], invalid),
            (vec![("AWS:team", "a")], vec![], invalid),
            (vec![(&key, "")], vec![], wrong),
            (vec![("k", &value)], vec![], wrong),
            (vec![("", "a")], vec![], wrong),
            (vec![("team", "a*")], vec![], wrong),
            (vec![("te?m", "a")], vec![], wrong),
            (vec![("k", "v"); 51], vec![], wrong),
            (vec![("k", "v")], vec!["k"; 51], wrong),
        ] {
            let wanted = wanted.map_err(str::to_owned);
            assert_eq!(outcome(&pairs, &transitive), wanted, "{pairs:?} {transitive:?}");
        }
    }

    #[test]
    fn fifty_tags_are_not_too_many() {
        let keys: Vec<_> = (0..50).map(|number| format!("k{number}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
        assert_eq!(outcome(&pairs, &[]), Ok(0));
    }

    #[test]
    fn transitive_tags_are_inherited_and_stay_as_they_are() {
        let pairs = |keys: &[&str]| {
            keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect::<Vec<_>>()
        };
        let caller = requested(pairs(&["Star", "Heart"]), &["star".to_owned()]).expect("valid");
        let next = requested(pairs(&["heart"]), &[]).expect("valid");
        let keys: Vec<_> = inherited(&caller, &next)
            .expect("no conflict")
            .into_iter()
            .map(|tag| (tag.key, tag.transitive))
            .collect();
        assert_eq!(keys, [("Star".to_owned(), true)]);
        let conflict = requested(pairs(&["STAR"]), &[]).expect("valid");
        let error = inherited(&caller, &conflict).expect_err("a conflict");
        assert_eq!(error.error_type, "InvalidParameterValue");
    }
}
