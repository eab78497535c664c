//! Objects that need no pass: those that were acted on and whose pair stands in the shared list as
//! it was recorded. This justifies nothing but leaving them alone.

use std::time::Duration;

use crate::api::OWNER_TAG;
use crate::lightsail::KeyPair;

use super::PairClaim;

/// What an object that was acted on has recorded, beside the ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The account.
    pub account: String,
    /// The fingerprint, verbatim.
    pub fingerprint: Option<String>,
    /// The tags of the spec.
    pub tags: Box<[(String, String)]>,
    /// How often it is looked at.
    pub interval: Duration,
}

/// Whether the pair is as it was recorded, with its tags; or is not there, if that is what was
/// recorded.
#[must_use]
pub fn stands(claim: &PairClaim, settled: &Settled, account: &str, pair: Option<&KeyPair>) -> bool {
    let (Some(arn), Some(pair)) = (&claim.arn, pair) else {
        return settled.account == account && claim.arn.is_none() && pair.is_none();
    };
    let has_tag = |key: &str, value: &str| {
        pair.tags.get(key).is_some_and(|own| own.as_deref() == Some(value))
    };
    settled.account == account
        && *arn == pair.arn
        && settled.fingerprint == pair.fingerprint
        && has_tag(OWNER_TAG, &claim.owner)
        && settled.tags.iter().all(|(key, value)| has_tag(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_stands_as_it_was_recorded_or_its_object_is_looked_at() {
        type Change = fn(&mut PairClaim, &mut Settled, &mut Option<KeyPair>);
        let rows: [(&str, Change, bool); 10] = [
            ("as it was recorded", |_, _, _| {}, true),
            (
                "with more tags",
                |_, _, p| drop(p.as_mut().unwrap().tags.insert("other".to_owned(), None)),
                true,
            ),
            ("gone", |_, _, p| *p = None, false),
            (
                "another one of that name",
                |_, _, p| p.as_mut().unwrap().arn = "arn:other".to_owned(),
                false,
            ),
            ("with another fingerprint", |_, _, p| p.as_mut().unwrap().fingerprint = None, false),
            ("without a tag", |_, _, p| drop(p.as_mut().unwrap().tags.remove("team")), false),
            (
                "with another value",
                |_, _, p| drop(p.as_mut().unwrap().tags.insert("team".to_owned(), None)),
                false,
            ),
            ("with another owner", |c, _, _| c.owner = "c/n/other".to_owned(), false),
            ("in another account", |_, s, _| s.account = "999999999999".to_owned(), false),
            ("there, though it shall not be", |c, _, _| c.arn = None, false),
        ];
        for (name, change, expected) in rows {
            let mut claim = PairClaim {
                region: "eu-west-1".to_owned(),
                name: "fleet".to_owned(),
                owner: "c/n/o".to_owned(),
                created_at: None,
                arn: Some("arn:own".to_owned()),
                settled: None,
            };
            let mut settled = Settled {
                account: "123456789012".to_owned(),
                fingerprint: Some("f".to_owned()),
                tags: Box::new([("team".to_owned(), "a".to_owned())]),
                interval: Duration::from_mins(10),
            };
            let tags = [(OWNER_TAG, "c/n/o"), ("team", "a")];
            let mut pair = Some(KeyPair {
                name: "fleet".to_owned(),
                arn: "arn:own".to_owned(),
                created_at: None,
                support_code: None,
                fingerprint: Some("f".to_owned()),
                tags: tags
                    .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
                    .into_iter()
                    .collect(),
            });
            change(&mut claim, &mut settled, &mut pair);
            assert_eq!(stands(&claim, &settled, "123456789012", pair.as_ref()), expected, "{name}");
        }
        // What shall not be there, and is not.
        let claim = PairClaim {
            region: String::new(),
            name: String::new(),
            owner: String::new(),
            created_at: None,
            arn: None,
            settled: None,
        };
        let settled = Settled {
            account: "1".to_owned(),
            fingerprint: None,
            tags: Box::default(),
            interval: Duration::ZERO,
        };
        assert!(stands(&claim, &settled, "1", None));
    }
}
