//! What an answer to `GetCallerIdentity`, or the lack of one, means for the credentials.

use crate::ids::AccountId;
use crate::key_text::has_key;
use crate::lightsail::error::{Error, ErrorKind};
use crate::lightsail::types::Result;

/// Whom credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lightsail) struct Identity {
    pub(in crate::lightsail) account: AccountId,
    pub(in crate::lightsail) caller_arn: String,
}

/// An ARN has at most this many characters:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>.
const LONGEST_ARN: usize = 2_048;

impl Identity {
    /// As STS says. A server that answers in its place may say anything.
    ///
    /// # Errors
    /// It is no account id, or no ARN.
    pub(in crate::lightsail) fn parse(account: Option<&str>, arn: Option<&str>) -> Result<Self> {
        let is_account =
            |text: &&str| text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit());
        let is_arn = |text: &&str| {
            text.len() <= LONGEST_ARN
                && !text.contains(|char: char| char.is_control())
                && !has_key(text)
        };
        let account = account.filter(is_account).ok_or_else(|| Error::incomplete("Account"))?;
        let arn = arn.or(Some("")).filter(is_arn).ok_or_else(|| Error::incomplete("Arn"))?;
        Ok(Self { account: account.into(), caller_arn: arn.to_owned() })
    }
}

/// What happens to credentials after the query whom they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lightsail) enum Identified<A> {
    /// They belong to the same identity as the current ones, whose account they continue to open.
    Same(A, Identity),
    /// They belong to another identity, or are the first.
    New(Identity),
    /// It is unknown for now. They are kept, so that the next lookup asks for them again.
    NotNow(Error),
    /// They cannot be used.
    Never(Error),
}

/// `own_account`: the account that the credentials name themselves. `before`: what the current ones
/// opened, and whom they belong to.
pub(in crate::lightsail) fn identified<A>(
    answer: Result<Identity>,
    own_account: Option<&AccountId>,
    before: Option<(A, Identity)>,
) -> Identified<A> {
    match (answer, before) {
        (Ok(identity), Some((opened, before))) if identity == before => {
            Identified::Same(opened, before)
        }
        (Ok(identity), _) => Identified::New(identity),
        (Err(error), _) if !may_pass(&error) => Identified::Never(error),
        // The source of the credentials said whose they are.
        (Err(_), Some((opened, before))) if own_account == Some(&before.account) => {
            Identified::Same(opened, before)
        }
        (Err(error), _) => Identified::NotNow(error),
    }
}

/// Whether the same credentials may be accepted when they are tried again.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Transient | ErrorKind::Throttled | ErrorKind::NeverSent)
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use super::*;

    fn identity(account: &str, caller: &str) -> Identity {
        Identity { account: account.into(), caller_arn: caller.to_owned() }
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "Code", "why")
    }

    #[test]
    fn who_somebody_is_cannot_be_anything() {
        let long = "x".repeat(LONGEST_ARN + 1);
        let ann = "arn:aws:iam::123456789012:user/ann";
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        let named = format!("{ann}/{}", key.replace('/', "x"));
        for (name, account, arn, expected) in [
            ("somebody", Some("123456789012"), Some(ann), Ok(identity("123456789012", ann))),
            ("a name that is not said", Some("123456789012"), None,
             Ok(identity("123456789012", ""))),
            ("nobody", None, Some(ann), Err("Account")),
            ("an empty account", Some(""), Some(ann), Err("Account")),
            ("too few digits", Some("12345678901"), Some(ann), Err("Account")),
            ("too many", Some("1234567890123"), Some(ann), Err("Account")),
            ("other digits", Some("١٢٣٤٥٦"), Some(ann), Err("Account")),
            ("words", Some("rm -rf /\nx x"), Some(ann), Err("Account")),
            ("a long name", Some("123456789012"), Some(long.as_str()), Err("Arn")),
            ("a name on two lines", Some("123456789012"), Some("a\nb"), Err("Arn")),
            ("a name that may be a key", Some("123456789012"), Some(key.as_str()), Err("Arn")),
            ("a key at the end of a name", Some("123456789012"), Some(named.as_str()), Err("Arn")),
        ] {
            let expected = expected.map_err(Error::incomplete);
            assert_eq!(Identity::parse(account, arn), expected, "{name}");
        }
    }

    #[test]
    fn what_an_answer_means() {
        use ErrorKind::{BadCredentials, Denied, NeverSent, Throttled, Transient};
        let first = || Some(("opened", identity("111111111111", "ann")));
        let same = || Identified::Same("opened", identity("111111111111", "ann"));
        let is = |account, caller| Ok(identity(account, caller));
        let fails = |kind| Err(error(kind));
        let not_now = |kind| Identified::NotNow(error(kind));
        let never = |kind| Identified::Never(error(kind));
        let new = |account, caller| Identified::New(identity(account, caller));
        let own = Some("111111111111");
        for (name, answer, own_account, before, expected) in [
            ("the first", is("111111111111", "ann"), None, None, new("111111111111", "ann")),
            ("a new session", is("111111111111", "ann"), own, first(), same()),
            ("another caller", is("111111111111", "bob"), own, first(), new("111111111111", "bob")),
            ("another account", is("222222222222", "ann"), None, first(),
             new("222222222222", "ann")),
            ("an outage, and they name the account", fails(Transient), own, first(),
             same()),
            ("throttled, and they name it", fails(Throttled), own, first(),
             same()),
            ("never sent, and they name it", fails(NeverSent), own, first(),
             same()),
            ("an outage, and they name none", fails(Transient), None, first(), not_now(Transient)),
            ("an outage, and they name another", fails(Transient), Some("222222222222"), first(),
             not_now(Transient)),
            ("an outage at first", fails(Transient), own, None, not_now(Transient)),
            ("throttled at first", fails(Throttled), None, None, not_now(Throttled)),
            ("never sent at first", fails(NeverSent), None, None, not_now(NeverSent)),
            ("refused", fails(BadCredentials), None, None, never(BadCredentials)),
            ("refused, though they name it", fails(BadCredentials), own, first(),
             never(BadCredentials)),
            ("denied by a policy on the way", fails(Denied), own, first(), never(Denied)),
        ] {
            let own_account = own_account.map(AccountId::from);
            assert_eq!(identified(answer, own_account.as_ref(), before), expected, "{name}");
        }
    }
}
