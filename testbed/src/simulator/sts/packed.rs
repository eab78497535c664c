//! How much of a session token its policy and tags take: `PackedPolicySize` and
//! `PackedPolicyTooLarge`.
//!
//! AWS compresses both into a binary form and publishes neither the form nor the limit. This is an
//! approximation of what users have measured:
//!
//! - The six tags of EKS Pod Identity took 74 %, an application's own tags 37 %, and both 112 %
//!   (<https://github.com/aws/containers-roadmap/issues/2413>). With keys and values of usual
//!   lengths, a limit of 400 bytes says the same.
//! - A short session policy took 16 % (a recording of AWS in
//!   <https://github.com/localstack/localstack>, `test_assume_role_with_policy`). One with the
//!   2,048 characters that the API Reference allows fits here if there are no tags; that is
//!   unverified.

use super::super::error::{ApiError, Result};
use super::super::session_tags::SessionTag;

/// The bytes there are.
const LIMIT: usize = 400;

/// What is in each tag besides its key and value.
const TAG: usize = 2;

/// What each session policy takes, and how many characters of it take a byte more.
const POLICY: usize = 40;
const POLICY_CHARACTERS: usize = 6;

const _: () = assert!(POLICY + 2048 / POLICY_CHARACTERS <= LIMIT);

/// The percentage that tags, inherited ones included, and a session policy of this length take.
/// `None` if there is neither: then the answer has no such member.
pub(super) fn percentage(
    tags: &[SessionTag],
    policy_length: Option<usize>,
) -> Result<Option<usize>> {
    let of_tags: usize = tags.iter().map(|tag| TAG + tag.key.len() + tag.value.len()).sum();
    let of_policy = policy_length.map_or(0, |length| POLICY + length / POLICY_CHARACTERS);
    if of_tags + of_policy == 0 {
        return Ok(None);
    }
    let percent = |bytes: usize| (bytes * 100).div_ceil(LIMIT);
    let all = percent(of_tags + of_policy);
    if all <= 100 {
        return Ok(Some(all));
    }
    // The words are those of https://repost.aws/knowledge-center/iam-role-aws-sts-error. Since
    // June 2026 the API Reference says that the message reports bytes, and not in which words.
    let message = if of_policy == 0 {
        format!("Packed size of session tags consumes {all}% of allotted space.")
    } else {
        format!("Packed policy consumes {all}% of allotted space, please use smaller policy.")
    };
    Err(ApiError::sts("PackedPolicyTooLarge", 400, message))
}

#[cfg(test)]
mod tests {
    use super::super::super::session_tags::{SessionTag, requested};
    use super::percentage;

    fn tags(pairs: &[(&str, &str)]) -> Vec<SessionTag> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        requested(pairs.collect(), &[]).expect("valid tags")
    }

    #[test]
    fn the_tags_of_a_pod_take_three_quarters() {
        let of_pod = tags(&[
            ("eks-cluster-arn", "arn:aws:eks:eu-west-1:123456789012:cluster/production"),
            ("eks-cluster-name", "production"),
            ("kubernetes-namespace", "my-application"),
            ("kubernetes-service-account", "my-application"),
            ("kubernetes-pod-name", "my-application-6d4cf56db6-x2x7q"),
            ("kubernetes-pod-uid", "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e"),
        ]);
        let size = percentage(&of_pod, None).expect("it fits").expect("there are tags");
        assert!((68..=80).contains(&size), "measured: 74, here: {size}");
        assert!(percentage(&of_pod, Some(500)).is_err());
    }

    /// A row: the tags, the length of the policy, and the percentage or the message.
    #[test]
    fn sizes() {
        let (value, too_long) = ("v".repeat(256), "k".repeat(128));
        for (tags, policy, wanted) in [
            (tags(&[]), None, Ok(None)),
            (tags(&[("k", "v")]), None, Ok(Some(1))),
            (tags(&[]), Some(90), Ok(Some(14))),
            (tags(&[]), Some(2048), Ok(Some(96))),
            (tags(&[("k", &value)]), None, Ok(Some(65))),
            (
                tags(&[(&too_long, &value), ("key", &value)]),
                None,
                Err("Packed size of session tags consumes 162% of allotted space."),
            ),
            (
                tags(&[("k", &value)]),
                Some(2048),
                Err("Packed policy consumes 160% of allotted space, please use smaller policy."),
            ),
        ] {
            let size = percentage(&tags, policy).map_err(|error| error.message);
            assert_eq!(size, wanted.map_err(str::to_owned), "{tags:?} {policy:?}");
        }
    }
}
