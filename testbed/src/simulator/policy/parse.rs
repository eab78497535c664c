//! Reads policy documents. What is not understood is an error that says where, so that a typing
//! error never opens anything.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::principal::Principals;
use super::statement::{Patterns, Statement};

type Parsed<T> = Result<T, String>;

/// The statements of a policy of an identity or a session.
pub(super) fn statements(document: &str) -> Parsed<Vec<Statement>> {
    each_statement(document, |members| {
        known_members(
            members,
            &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
        )?;
        statement(members, patterns(members, "Resource", "NotResource")?)
    })
}

/// The statements of a trust policy: each with whom it speaks of, and all about the role that has
/// the policy.
pub(super) fn trust_statements(document: &str) -> Parsed<Vec<(Principals, Statement)>> {
    each_statement(document, |members| {
        known_members(
            members,
            &["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"],
        )?;
        Ok((principals(members)?, statement(members, Patterns::all())?))
    })
}

fn each_statement<T>(
    document: &str,
    read: impl Fn(&Map<String, Value>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let document: Value =
        serde_json::from_str(document).map_err(|error| format!("not JSON: {error}"))?;
    let document = object(&document, "the policy")?;
    known_members(document, &["Version", "Id", "Statement"])?;
    let statements = document.get("Statement").ok_or("Statement is missing")?;
    let list =
        statements.as_array().map_or_else(|| std::slice::from_ref(statements), Vec::as_slice);
    list.iter().map(|value| read(object(value, "a statement")?)).collect()
}

fn statement(members: &Map<String, Value>, resources: Patterns) -> Parsed<Statement> {
    let allows = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Effect is neither Allow nor Deny".to_owned()),
    };
    Ok(Statement {
        allows,
        actions: patterns(members, "Action", "NotAction")?,
        resources,
        conditions: members.get("Condition").map_or_else(|| Ok(Vec::new()), conditions)?,
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

fn patterns(members: &Map<String, Value>, plain: &str, negated: &str) -> Parsed<Patterns> {
    match (members.get(plain), members.get(negated)) {
        (Some(value), None) => Ok(Patterns { negated: false, patterns: strings(value, plain)? }),
        (None, Some(value)) => Ok(Patterns { negated: true, patterns: strings(value, negated)? }),
        _ => Err(format!("a statement has either {plain} or {negated}")),
    }
}

fn conditions(value: &Value) -> Parsed<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(value, "Condition")? {
        for (key, values) in object(keys, operator)? {
            let values = strings(values, key)?;
            let condition = Condition::new(operator, key, values);
            conditions.push(
                condition.ok_or_else(|| format!("the operator {operator} is not known here"))?,
            );
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
