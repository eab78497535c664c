//! Conditions of a statement: whether the values that a request has for a key are as the policy
//! wants them.

use super::key;
use super::question::Question;
use super::text::{Text, Version};

/// One key of one operator's block.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    operator: Operator,
    if_exists: bool,
    set: Option<Set>,
    key: String,
    values: Vec<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals { negated: bool, ignore_case: bool },
    Like { negated: bool },
    Bool,
    Null,
}

/// How a key of many values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

impl Condition {
    /// The condition, or what of it is not known here.
    pub(super) fn read(
        operator: &str,
        key: &str,
        values: &[String],
        version: Version,
    ) -> Result<Self, String> {
        if !key::is_known(key) {
            return Err(format!("the condition key {key} is not known here"));
        }
        let (operator, if_exists, set) = read_operator(operator)
            .ok_or_else(|| format!("the operator {operator} is not known here"))?;
        let values = values.iter().map(|value| match operator {
            // These two take no variables.
            Operator::Bool | Operator::Null if !["true", "false"].contains(&value.as_str()) => {
                Err(format!("{value} is neither true nor false"))
            }
            Operator::Bool | Operator::Null => Ok(Text::written(value)),
            Operator::Equals { .. } | Operator::Like { .. } => Text::read(value, version),
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Self { operator, if_exists, set, key: key.to_owned(), values })
    }

    pub(super) fn holds(&self, question: &Question) -> bool {
        let present = question.values(&self.key).filter(|values| !values.is_empty());
        if self.operator == Operator::Null {
            let absent = if present.is_none() { "true" } else { "false" };
            return self.values.iter().any(|wanted| *wanted == Text::written(absent));
        }
        let Some(values) = present else {
            // What is not there is not equal to anything: a negated operator holds, and so does
            // every value of none.
            return self.if_exists || self.is_negated() || self.set == Some(Set::All);
        };
        let fits = |value: &String| self.fits(question, value);
        match (self.set, values) {
            (Some(Set::All), _) => values.iter().all(fits),
            (Some(Set::Any), _) => values.iter().any(fits),
            (None, [value]) => fits(value),
            // Tags in two spellings of a key: it "matches a resource tag key named either TagKey1
            // or tagkey1, but not both"
            // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html>).
            // That a negated operator holds then, as if there were no such tag, is unverified.
            (None, _) => self.is_negated(),
        }
    }

    fn is_negated(&self) -> bool {
        match self.operator {
            Operator::Equals { negated, .. } | Operator::Like { negated } => {
                negated && self.set.is_none()
            }
            Operator::Bool | Operator::Null => false,
        }
    }

    fn fits(&self, question: &Question, value: &str) -> bool {
        let any_text = |fits: &dyn Fn(&str) -> bool| {
            self.values.iter().any(|wanted| question.text(wanted).is_some_and(|text| fits(&text)))
        };
        match self.operator {
            Operator::Equals { negated, ignore_case: false } => {
                any_text(&|wanted| wanted == value) != negated
            }
            Operator::Equals { negated, ignore_case: true } => {
                any_text(&|wanted| wanted.to_lowercase() == value.to_lowercase()) != negated
            }
            Operator::Like { negated } => {
                let mut patterns = self.values.iter().filter_map(|wanted| question.pattern(wanted));
                patterns.any(|pattern| pattern.fits(value)) != negated
            }
            Operator::Bool | Operator::Null => {
                any_text(&|wanted| wanted.eq_ignore_ascii_case(value))
            }
        }
    }
}

/// An operator, whether it holds where the key is missing, and how many values it takes. None if
/// there is none of this name here.
fn read_operator(name: &str) -> Option<(Operator, bool, Option<Set>)> {
    let (set, rest) = match name.split_once(':') {
        Some(("ForAllValues", rest)) => (Some(Set::All), rest),
        Some(("ForAnyValue", rest)) => (Some(Set::Any), rest),
        Some(_) => return None,
        None => (None, name),
    };
    let (name, if_exists) =
        rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
    let equals = |negated, ignore_case| Operator::Equals { negated, ignore_case };
    let operator = match name {
        "StringEquals" => equals(false, false),
        "StringNotEquals" => equals(true, false),
        "StringEqualsIgnoreCase" => equals(false, true),
        "StringNotEqualsIgnoreCase" => equals(true, true),
        "StringLike" | "ArnLike" | "ArnEquals" => Operator::Like { negated: false },
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => Operator::Like { negated: true },
        "Bool" => Operator::Bool,
        "Null" if !if_exists => Operator::Null,
        _ => return None,
    };
    Some((operator, if_exists, set))
}
