//! The syntax of label selectors, checked at the start: the API server would refuse a wrong one
//! again and again, at each list.

/// Whether this can be the value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let outer = |char: Option<char>| char.is_none_or(|char| char.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(inner)
        && outer(text.chars().next())
        && outer(text.chars().last())
}

/// Whether this can be a part of a DNS name, and so the name of a namespace or a Lease.
pub(super) fn is_dns_label(text: &str) -> bool {
    !text.is_empty()
        && is_label_value(text)
        && text
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}

/// Whether this can be the key of a label.
pub(crate) fn is_label_key(text: &str) -> bool {
    let (prefix, name) =
        text.rsplit_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(is_dns_label);
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_prefix)
}

/// What may stand between the parts of a label selector.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The syntax of `kubectl get --selector`
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>).
///
/// # Errors
/// What to write instead.
pub(super) fn label_selector(text: &str) -> Result<String, String> {
    let is_value = |text: &str| is_label_value(text.trim_matches(BLANKS));
    let is_set = |text: &str| {
        let inner = text.trim_matches(BLANKS).strip_prefix('(');
        inner.and_then(|text| text.strip_suffix(')')).is_some_and(|it| it.split(',').all(is_value))
    };
    let is_requirement = |text: &str| {
        let text = text.trim_matches(BLANKS);
        if let Some(key) = text.strip_prefix('!') {
            return is_label_key(key.trim_matches(BLANKS));
        }
        // The key first: a value may begin with the word of an operator.
        let is_end = |char| BLANKS.contains(&char) || "!=(".contains(char);
        let (key, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        let rest = rest.trim_start_matches(BLANKS);
        let after = |operators: &[&str]| operators.iter().find_map(|it| rest.strip_prefix(it));
        is_label_key(key)
            && (rest.is_empty()
                || after(&["!=", "==", "="]).is_some_and(is_value)
                || after(&["notin", "in"]).is_some_and(is_set))
    };
    let mut depth = 0;
    let is_border = |char: char| {
        depth += i32::from(char == '(') - i32::from(char == ')');
        char == ',' && depth == 0
    };
    let requirements: Vec<&str> = text.split(is_border).collect();
    if requirements.into_iter().all(is_requirement) {
        Ok(text.to_owned())
    } else {
        Err("write, for example, team=a,tier in (x,y),!legacy".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::label_selector;

    const ROWS: &str = include_str!("../../tests/support/label_selectors.yaml");

    #[test]
    fn what_kubectl_takes_is_taken_and_nothing_else() {
        let rows: HashMap<String, Vec<String>> = serde_yaml_ng::from_str(ROWS).unwrap();
        for text in &rows["taken"] {
            assert!(label_selector(text).is_ok(), "{text}");
        }
        for text in &rows["refused"] {
            assert!(label_selector(text).is_err(), "{text}");
        }
        assert!(label_selector("").is_err(), "to kubectl, it is everything");
    }
}
