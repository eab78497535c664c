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

/// The syntax of `kubectl get --selector`
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>).
///
/// # Errors
/// What to write instead.
pub(super) fn label_selector(text: &str) -> Result<String, String> {
    let is_set = |text: &str| {
        let inner = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        inner.is_some_and(|values| values.split(',').all(|value| is_label_value(value.trim())))
    };
    let is_requirement = |text: &str| {
        let text = text.trim();
        if let Some(key) = text.strip_prefix('!') {
            return is_label_key(key.trim());
        }
        for word in [" notin ", " in ", " notin(", " in("] {
            if let Some((key, set)) = text.split_once(word.trim_end_matches('(')) {
                return is_label_key(key.trim()) && is_set(set);
            }
        }
        for sign in ["!=", "==", "="] {
            if let Some((key, value)) = text.split_once(sign) {
                return is_label_key(key.trim()) && is_label_value(value.trim());
            }
        }
        is_label_key(text)
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
    use super::label_selector;

    #[test]
    fn what_kubectl_takes_is_taken_and_nothing_else() {
        for text in [
            "a=b",
            "a==b",
            "a!=b",
            "a",
            "!a",
            "a in (b,c)",
            "a notin (b, c), d = e",
            "x.io/a=",
            "a in(b)",
            "inn=out",
        ] {
            assert!(label_selector(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a=b,",
            "a in b",
            "a in (b",
            "=b",
            "a=b=c",
            "a>b",
            "-a=b",
            "a b",
            "X.io/a=b",
            "a in (b c)",
            "a=ü",
        ] {
            assert!(label_selector(text).is_err(), "{text}");
        }
    }
}
