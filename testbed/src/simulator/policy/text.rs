//! Texts of policies, with their variables.
//!
//! A variable is `${KEY}`, for the value of a condition key, or one of `${*}`, `${?}` and `${$}`,
//! for that character
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>).

use super::key;

/// Which language a policy is in: its `Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 2008-10-17, or none: `${` is a text as any other.
    WithoutVariables,
    /// 2012-10-17.
    WithVariables,
}

/// The value of a condition, or a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands in the policy.
    Written(String),
    /// A character that is no wildcard.
    Character(char),
    /// The value of this condition key.
    Variable(String),
}

impl Text {
    /// A text without variables.
    pub(super) fn written(text: &str) -> Self {
        Self(vec![Part::Written(text.to_owned())])
    }

    /// A text of a policy, or what is wrong with it. Default values of variables
    /// (`${KEY, 'default'}`) are not known here.
    pub(super) fn read(text: &str, version: Version) -> Result<Self, String> {
        if version == Version::WithoutVariables {
            return Ok(Self::written(text));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) =
                after.split_once('}').ok_or_else(|| format!("{text} has a variable without }}"))?;
            parts.push(Part::Written(before.to_owned()));
            parts.push(match name {
                "*" => Part::Character('*'),
                "?" => Part::Character('?'),
                "$" => Part::Character('$'),
                _ if key::is_known(name) => Part::Variable(name.to_owned()),
                _ => return Err(format!("the variable ${{{name}}} is not known here")),
            });
            rest = behind;
        }
        parts.push(Part::Written(rest.to_owned()));
        Ok(Self(parts))
    }
}
