//! Key pairs with an owner tag of this cluster that no object manages: an object that was
//! removed by force left them, or somebody copied a tag. They are counted, and never deleted: what
//! is known of them is a tag, and nothing is own by a tag alone (I12, I13).

use crate::api::OWNER_TAG;
use crate::lightsail::KeyPair;

/// What is known of the object that an owner tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaggedObject {
    /// Whether it is there cannot be known here, or its end is still under way.
    Unknown,
    /// It is not there.
    Gone,
    /// It is there, and wants no key pair now, for example because it is suspended.
    Quiet,
    /// It is there, and wants a key pair; perhaps another one.
    Wants,
}

/// Namespace and name of the object that the owner tag of a pair names, if that is one of this
/// cluster.
#[must_use]
pub fn tagged_object<'a>(cluster_id: &str, pair: &'a KeyPair) -> Option<(&'a str, &'a str)> {
    let owner = pair.tags.get(OWNER_TAG)?.as_deref()?;
    owner.strip_prefix(cluster_id)?.strip_prefix('/')?.split_once('/')
}

/// Whether no object manages a pair that carries an owner tag of this cluster.
/// `is_wanted`: some object of the cluster wants its name.
#[must_use]
pub fn is_without_object(tagged: TaggedObject, is_wanted: bool) -> bool {
    match tagged {
        TaggedObject::Unknown | TaggedObject::Quiet => false,
        TaggedObject::Gone | TaggedObject::Wants => !is_wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lightsail::Tags;

    #[test]
    fn a_pair_is_without_an_object_only_if_that_is_known() {
        for (name, tagged, is_wanted, expected) in [
            ("its object is gone", TaggedObject::Gone, false, true),
            ("but another one wants the name", TaggedObject::Gone, true, false),
            ("its object wants it", TaggedObject::Wants, true, false),
            ("its object wants another one", TaggedObject::Wants, false, true),
            ("its object is suspended", TaggedObject::Quiet, false, false),
            ("its object may be another operator's", TaggedObject::Unknown, false, false),
        ] {
            assert_eq!(is_without_object(tagged, is_wanted), expected, "{name}");
        }
    }

    #[test]
    fn a_tag_names_an_object_if_it_is_of_this_cluster() {
        for (tag, expected) in [
            (Some("blue/team-a/fleet"), Some(("team-a", "fleet"))),
            (Some("blueish/team-a/fleet"), None),
            (Some("red/team-a/fleet"), None),
            (Some("blue/fleet"), None),
            (Some(""), None),
            (None, None),
        ] {
            let tags: Tags = [(OWNER_TAG.to_owned(), tag.map(str::to_owned))].into_iter().collect();
            let pair = KeyPair {
                name: "fleet".into(),
                arn: "arn".into(),
                created_at: None,
                support_code: None,
                fingerprint: None,
                tags,
            };
            assert_eq!(tagged_object("blue", &pair), expected, "{tag:?}");
        }
    }
}
