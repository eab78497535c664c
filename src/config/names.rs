//! Names that flags and owner tags have.

use super::label_selector::is_dns_label;

/// The name of a namespace.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 63 lowercase letters, digits and hyphens, as in team-a".to_owned())
    }
}

/// The name of an object, as the API server checks it.
pub(crate) fn object_name(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_dns_label) {
        Ok(text.to_owned())
    } else {
        Err("use lowercase letters, digits, hyphens and dots, as in prod".to_owned())
    }
}

/// A region, as the CRDs check it.
pub(super) fn region(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let are_letters =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = match &parts[..] {
        [partition, names @ .., number] if !names.is_empty() => {
            are_letters(partition)
                && (2..=4).contains(&partition.len())
                && names.iter().all(are_letters)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    if is_region { Ok(text.to_owned()) } else { Err("write, for example, eu-west-1".to_owned()) }
}
