//! Objects that need no reconciliation: those that were acted on and whose pair is in the shared
//! list as it was recorded. This justifies nothing but leaving them alone.

use crate::access::Grant;
use crate::api::{OWNER_TAG, is_other_spelling};
use crate::digest::{self, Digest};
use crate::ids::AccountId;
use crate::key_pair::claim::{Baseline, PairClaim};
use crate::key_pair::memory::Allowance;
use crate::lightsail::KeyPair;

/// Whether an object may use its credentials because nothing has changed since `last`, which
/// allowed it.
pub(in crate::key_pair) fn is_permitted_still(grant: &Grant, last: Option<&Allowance>) -> bool {
    match grant {
        Grant::Operator => true,
        Grant::Account(_) => last.is_some_and(|last| Allowance::of(grant).as_ref() == Some(last)),
        Grant::Required | Grant::Missing(_) | Grant::Unreadable(_) => false,
    }
}

/// Whether credentials of this account may read for an object that was acted on: they are of the
/// account that was recorded, and the operator's own are of the pinned one.
pub(in crate::key_pair) fn is_account_still(
    baseline: &Baseline,
    grant: &Grant,
    account: &AccountId,
    pinned: Option<&AccountId>,
) -> bool {
    let pinned = pinned.filter(|_| matches!(grant, Grant::Operator));
    baseline.account == Digest::of(account) && pinned.is_none_or(|pinned| pinned == account)
}

/// Whether the pair is as it was recorded, with its tags; or is not there, if that is what was
/// recorded.
#[must_use]
pub fn is_unchanged(claim: &PairClaim, baseline: &Baseline, pair: Option<&KeyPair>) -> bool {
    let (Some(arn), Some(pair)) = (claim.arn, pair) else {
        return claim.arn.is_none() && pair.is_none();
    };
    let owner = pair.tags.get(OWNER_TAG).and_then(Option::as_deref);
    let with_value = |(key, value)| Option::as_ref(value).map(|value| (key, value));
    let tags: Vec<u64> = pair.tags.iter().filter_map(with_value).map(digest::keyed).collect();
    arn == Digest::of(&pair.arn)
        && baseline.fingerprint == pair.fingerprint.as_ref().map(Digest::of)
        && owner.map(Digest::of) == Some(claim.owner)
        && !pair.tags.keys().any(is_other_spelling)
        && baseline.tags.iter().all(|tag| tags.contains(tag))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::access::tests::{account, used};
    use crate::engine::rows::claim_key;

    #[test]
    fn only_the_account_on_record_is_read_and_with_the_operators_own_credentials_the_pinned_one() {
        let (own, other) = (AccountId::from("123456789012"), AccountId::from("999999999999"));
        let baseline = Baseline {
            account: Digest::of(&own),
            fingerprint: None,
            tags: Box::default(),
            interval: Duration::ZERO,
        };
        let of_account = used(account(&json!({})));
        for (name, grant, account, pinned, expected) in [
            ("nothing is pinned", &Grant::Operator, &own, None, true),
            ("it is pinned", &Grant::Operator, &own, Some(&own), true),
            ("another one is pinned", &Grant::Operator, &own, Some(&other), false),
            ("other credentials", &Grant::Operator, &other, None, false),
            ("other credentials and the pin", &Grant::Operator, &other, Some(&other), false),
            ("a LightsailAccount has no pin", &of_account, &own, Some(&other), true),
            ("and is still the one on record", &of_account, &other, None, false),
        ] {
            assert_eq!(is_account_still(&baseline, grant, account, pinned), expected, "{name}");
        }
    }

    fn claim() -> PairClaim {
        PairClaim {
            key: claim_key("eu-west-1", "fleet"),
            name: Digest::of("fleet"),
            owner: Digest::of("c/n/o"),
            created_at: None,
            arn: Some(Digest::of("arn:own")),
            account: None,
            wants_pair: true,
            may_have_one: false,
            is_idle: false,
            has_acted: true,
            waits: false,
            is_refused: false,
            baseline: None,
        }
    }

    #[test]
    fn a_pair_is_as_it_was_recorded_or_its_object_is_reconciled() {
        type Change = fn(&mut PairClaim, &mut Baseline, &mut Option<KeyPair>);
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
                |_, _, p| p.as_mut().unwrap().arn = "arn:other".into(),
                false,
            ),
            ("with another fingerprint", |_, _, p| p.as_mut().unwrap().fingerprint = None, false),
            ("without a tag", |_, _, p| drop(p.as_mut().unwrap().tags.remove("team")), false),
            (
                "with another value",
                |_, _, p| drop(p.as_mut().unwrap().tags.insert("team".to_owned(), None)),
                false,
            ),
            ("with another owner", |c, _, _| c.owner = Digest::of("c/n/other"), false),
            (
                "with an owner tag in another spelling beside its own",
                |_, _, p| drop(p.as_mut().unwrap().tags.insert(OWNER_TAG.to_uppercase(), None)),
                false,
            ),
            ("there, though it should not be", |c, _, _| c.arn = None, false),
        ];
        for (name, change, expected) in rows {
            let mut claim = claim();
            let mut baseline = Baseline {
                account: Digest::of("123456789012"),
                fingerprint: Some(Digest::of("f")),
                tags: Box::new([digest::keyed(("team", "a"))]),
                interval: Duration::from_mins(10),
            };
            let tags = [(OWNER_TAG, "c/n/o"), ("team", "a")];
            let mut pair = Some(KeyPair {
                name: "fleet".into(),
                arn: "arn:own".into(),
                created_at: None,
                support_code: None,
                fingerprint: Some("f".into()),
                tags: tags
                    .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
                    .into_iter()
                    .collect(),
            });
            change(&mut claim, &mut baseline, &mut pair);
            assert_eq!(is_unchanged(&claim, &baseline, pair.as_ref()), expected, "{name}");
        }
        // What should not be there, and is not.
        let claim = PairClaim { arn: None, ..claim() };
        let baseline = Baseline {
            account: Digest::of("1"),
            fingerprint: None,
            tags: Box::default(),
            interval: Duration::ZERO,
        };
        assert!(is_unchanged(&claim, &baseline, None));
    }
}
