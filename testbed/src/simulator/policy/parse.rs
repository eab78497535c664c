//! Reads policy documents. What is not understood is an error that says where, so that a typing
//! error never opens anything.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::principal::Principals;
use super::statement::{Patterns, Statement};
use super::text::{Text, Version};

type Parsed<T> = Result<T, String>;

/// The statements of a policy of an identity or a session.
pub(super) fn statements(document: &str) -> Parsed<Vec<Statement>> {
    each_statement(document, |members, version| {
        known_members(
            members,
            &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
        )?;
        let read = |text: &String| Text::read(text, version);
        statement(members, patterns(members, "Resource", "NotResource", read)?, version)
    })
}

/// The statements of a trust policy: each with whom it speaks of, and all about the role that has
/// the policy.
pub(super) fn trust_statements(document: &str) -> Parsed<Vec<(Principals, Statement)>> {
    each_statement(document, |members, version| {
        known_members(
            members,
            &["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"],
        )?;
        Ok((principals(members)?, statement(members, Patterns::all(), version)?))
    })
}

fn each_statement<T>(
    document: &str,
    read: impl Fn(&Map<String, Value>, Version) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let document: Value =
        serde_json::from_str(document).map_err(|error| format!("not JSON: {error}"))?;
    let document = object(&document, "the policy")?;
    known_members(document, &["Version", "Id", "Statement"])?;
    let version = version(document)?;
    let statements = document.get("Statement").ok_or("Statement is missing")?;
    let list =
        statements.as_array().map_or_else(|| std::slice::from_ref(statements), Vec::as_slice);
    list.iter().map(|value| read(object(value, "a statement")?, version)).collect()
}

/// The language of the policy: the older one if it does not say
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>).
fn version(document: &Map<String, Value>) -> Parsed<Version> {
    match document.get("Version").map(|version| version.as_str().unwrap_or_default()) {
        Some("2012-10-17") => Ok(Version::WithVariables),
        Some("2008-10-17") | None => Ok(Version::WithoutVariables),
        Some(_) => Err("Version is neither 2012-10-17 nor 2008-10-17".to_owned()),
    }
}

fn statement(
    members: &Map<String, Value>,
    resources: Patterns<Text>,
    version: Version,
) -> Parsed<Statement> {
    let allows = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Effect is neither Allow nor Deny".to_owned()),
    };
    Ok(Statement {
        allows,
        actions: patterns(members, "Action", "NotAction", |text| Ok(text.clone()))?,
        resources,
        conditions: members
            .get("Condition")
            .map_or_else(|| Ok(Vec::new()), |value| conditions(value, version))?,
    })
}

/// `"*"`, or an object of `AWS`, `Service` and `Federated`.
fn principals(members: &Map<String, Value>) -> Parsed<Principals> {
    let principal = members.get("Principal").ok_or("Principal is missing")?;
    let mut principals = Principals::default();
    if principal == "*" {
        principals.add_aws("*")?;
        return Ok(principals);
    }
    for (kind, values) in object(principal, "Principal")? {
        for value in strings(values, kind)? {
            match kind.as_str() {
                "AWS" => principals.add_aws(&value)?,
                "Service" => principals.services.push(value),
                // Nobody who calls AssumeRole is one.
                "Federated" => {}
                _ => return Err(format!("{kind} is not known here")),
            }
        }
    }
    Ok(principals)
}

fn patterns<T>(
    members: &Map<String, Value>,
    plain: &str,
    negated: &str,
    read: impl Fn(&String) -> Parsed<T>,
) -> Parsed<Patterns<T>> {
    let (value, member) = match (members.get(plain), members.get(negated)) {
        (Some(value), None) => (value, plain),
        (None, Some(value)) => (value, negated),
        _ => return Err(format!("a statement has either {plain} or {negated}")),
    };
    let patterns = strings(value, member)?.iter().map(read).collect::<Parsed<_>>()?;
    Ok(Patterns { negated: member == negated, patterns })
}

fn conditions(value: &Value, version: Version) -> Parsed<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(value, "Condition")? {
        for (key, values) in object(keys, operator)? {
            let values = strings(values, key)?;
            conditions.push(Condition::read(operator, key, &values, version)?);
        }
    }
    Ok(conditions)
}

fn object<'a>(value: &'a Value, what: &str) -> Parsed<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} is no object"))
}

fn known_members(members: &Map<String, Value>, known: &[&str]) -> Parsed<()> {
    let unknown = members.keys().find(|name| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(format!("{name} is not known here")))
}

/// One string or a list of them; `true` and `false` count as strings.
fn strings(value: &Value, what: &str) -> Parsed<Vec<String>> {
    let string = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("{what} has no strings"))
        }
    };
    let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    list.iter().map(string).collect()
}
