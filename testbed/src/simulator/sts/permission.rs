//! Whether somebody may assume a role: `sts:AssumeRole`, and `sts:TagSession` where the session
//! gets tags.
//!
//! A chain needs `sts:TagSession` for inherited transitive tags too: with EKS Pod Identity, whose
//! tags are transitive, every further role needs it
//! (<https://github.com/aws/eks-pod-identity-agent/issues/80>).
//!
//! Both actions have the condition keys of tags. The external id and the session's name are keys of
//! `sts:AssumeRole` only
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>).

use super::super::identity::{Identities, Principal};
use super::super::policy::{Caller, Named, Policy, Question, Trust, TrustPolicy, Verdict};
use super::super::session_tags::SessionTag;
use super::ask::Ask;

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// What policies can ask about a request for a role.
pub(super) struct Request<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) external_id: Option<&'a str>,
    pub(super) region: &'a str,
    /// `aws:RequestTag/…`, `aws:TagKeys`, and by those that are transitive `sts:TransitiveTagKeys`.
    pub(super) tags: Vec<&'a SessionTag>,
    /// Whether the session gets any tags, inherited ones included.
    pub(super) tags_session: bool,
}

impl Request<'_> {
    /// The action that this principal lacks, if any.
    pub(super) fn lacks(
        &self,
        identities: &Identities,
        principal: &Principal,
        trust: &TrustPolicy,
    ) -> Option<&'static str> {
        let policy = identities.policies_of(principal);
        let (policy, of_session) = (policy.as_deref(), principal.session_policy.as_ref());
        let role_arn = principal.role_arn();
        let caller = Caller::Identity {
            account: &principal.account,
            arn: &principal.arn,
            role_arn: role_arn.as_deref(),
        };
        let same_account = principal.account == self.ask.account;
        self.first_refused(|action| {
            let mut question = self.question(action);
            principal.describe(&mut question);
            let says = |policy: &Policy| policy.verdict(&question);
            let own = Own { policy: policy.map(says), of_session: of_session.map(says) };
            is_allowed(trust.verdict(&question, caller), same_account, own)
        })
    }

    /// The same for a service, which has no policies of its own.
    pub(super) fn service_lacks(
        &self,
        service: &str,
        source_arn: &str,
        trust: &TrustPolicy,
    ) -> Option<&'static str> {
        self.first_refused(|action| {
            let mut question = self.question(action);
            question.add("aws:SourceArn", source_arn);
            question.add("aws:SourceAccount", self.ask.account);
            matches!(trust.verdict(&question, Caller::Service(service)), Trust::Allowed(_))
        })
    }

    fn first_refused(&self, is_allowed: impl Fn(&str) -> bool) -> Option<&'static str> {
        let actions: &[&'static str] =
            if self.tags_session { &[ASSUME_ROLE, "sts:TagSession"] } else { &[ASSUME_ROLE] };
        actions.iter().copied().find(|action| !is_allowed(action))
    }

    fn question(&self, action: &str) -> Question {
        let mut question = Question::new(action, self.ask.role_arn);
        question.add("aws:RequestedRegion", self.region);
        if action == ASSUME_ROLE {
            question.add("sts:RoleSessionName", self.ask.session);
            if let Some(external_id) = self.external_id {
                question.add("sts:ExternalId", external_id);
            }
        }
        for tag in &self.tags {
            question.add(&format!("aws:RequestTag/{}", tag.key), &tag.value);
            question.add("aws:TagKeys", &tag.key);
            if tag.transitive {
                question.add("sts:TransitiveTagKeys", &tag.key);
            }
        }
        question
    }
}

/// What the policies of the caller say, where it has any.
#[derive(Clone, Copy)]
struct Own {
    policy: Option<Verdict>,
    of_session: Option<Verdict>,
}

/// A trust policy always has to allow it. Within an account that is enough if it names the caller;
/// if it names the account, or another account's caller, the caller's own policies have to allow it
/// too. A session policy counts unless the trust policy names the session itself
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).
/// That `*` is as good as a role's name is unverified.
fn is_allowed(trust: Trust, same_account: bool, own: Own) -> bool {
    let Trust::Allowed(named) = trust else { return false };
    if [own.policy, own.of_session].contains(&Some(Verdict::Denied)) {
        return false;
    }
    let allows = |verdict: Option<Verdict>| verdict.is_none_or(|it| it == Verdict::Allowed);
    let without_policy = same_account && named >= Named::Role;
    let whatever_the_session = same_account && named == Named::Exactly;
    (without_policy || allows(own.policy)) && (whatever_the_session || allows(own.of_session))
}

#[cfg(test)]
mod tests {
    use super::super::super::policy::Named::{Account, Exactly, Role};
    use super::super::super::policy::Trust::{Allowed, Refused};
    use super::super::super::policy::Verdict::{self, Denied, NotAllowed};
    use super::{Own, is_allowed};

    /// A row: the trust policy, whether it is in the caller's account, the caller's policy, that of
    /// its session, and whether it is allowed.
    #[test]
    fn a_role_and_its_caller_both_have_a_say() {
        let yes = Some(Verdict::Allowed);
        let no = Some(NotAllowed);
        for (trust, same_account, policy, of_session, wanted) in [
            (Refused, true, yes, None, false),
            (Allowed(Account), true, None, None, true),
            (Allowed(Account), true, yes, None, true),
            (Allowed(Account), true, no, None, false),
            (Allowed(Role), true, no, None, true),
            (Allowed(Role), true, Some(Denied), None, false),
            (Allowed(Role), false, no, None, false),
            (Allowed(Role), false, yes, None, true),
            (Allowed(Role), true, yes, no, false),
            (Allowed(Exactly), true, no, no, true),
            (Allowed(Exactly), true, yes, Some(Denied), false),
            (Allowed(Exactly), false, no, None, false),
            (Allowed(Exactly), false, yes, no, false),
            (Allowed(Exactly), false, yes, yes, true),
        ] {
            let row = format!("{trust:?} {same_account} {policy:?} {of_session:?}");
            assert_eq!(
                is_allowed(trust, same_account, Own { policy, of_session }),
                wanted,
                "{row}"
            );
        }
    }
}
