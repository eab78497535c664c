//! The state or plan of Terraform (or `OpenTofu`) in JSON: of each `aws_lightsail_key_pair` the
//! attributes `public_key`, `fingerprint` and `name`, and nothing else. A state holds secrets in
//! clear text, the private keys of created key pairs among them: what is not asked for is skipped
//! and never kept.
//!
//! - State, version 4: `resources[].instances[].attributes`. Terraform has no public description of
//!   it; `terraform state pull` prints it.
//! - State and plan as `terraform show -json` prints them, format version 1:
//!   <https://developer.hashicorp.com/terraform/internals/json-format>.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::export::keys::{Keys, Location};
use crate::export::report::Report;
use crate::ids::Fingerprint;
use crate::ssh::{Match, PublicKey};

const TYPE: &str = "aws_lightsail_key_pair";

/// Whether a file is read as one: by its name, or because it is JSON.
pub(super) fn is_one(path: &Path, text: &str) -> bool {
    let is_json = path.extension().is_some_and(|end| end == "json");
    is_json || is_state_by_name(path) || text.trim_ascii_start().starts_with('{')
}

/// Whether a file is called as Terraform calls its states.
pub(super) fn is_state_by_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".tfstate") || name.ends_with(b".tfstate.backup")
}

/// Reads the key pairs.
///
/// # Errors
/// It is no state and no plan. The error has the position, and nothing of the content.
pub(super) fn add(
    text: &str,
    location: &Location,
    keys: &mut Keys,
    report: &Report,
) -> Result<(), String> {
    let mut unreadable = Vec::new();
    for (index, pair) in read(text)?.into_iter().enumerate() {
        // In the order of the file, so that it can be found.
        let number = index + 1;
        let fingerprint = pair.fingerprint.text.map(Fingerprint::from);
        let public = pair.public_key.text.filter(|text| !text.is_empty());
        let public = public.map(|text| PublicKey::parse(&text)).transpose();
        let public = public.unwrap_or_else(|why| {
            unreadable.push((format!("number {number}"), why.to_string()));
            None
        });
        let is_of_it = public.as_ref().is_some_and(|public| {
            public.fingerprints().compare(fingerprint.as_ref()) == Match::Same
        });
        if let Some(public) = public {
            keys.add_public(&public, location.clone());
        }
        if let Some(fingerprint) = fingerprint.filter(|_| !is_of_it) {
            keys.add_hint(fingerprint.as_str(), location.clone());
        }
    }
    report.errors_of(&format!("{location}: public_key of {TYPE} "), unreadable);
    Ok(())
}

/// The key pairs of a state or plan.
fn read(text: &str) -> Result<Vec<Attributes>, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        // The parser's own words have values.
        let what = if error.is_data() { "is not a Terraform state or plan" } else { "is not JSON" };
        format!("it {what}: line {} column {}", error.line(), error.column())
    })?;
    let Document { version, format_version, encrypted_data, .. } = &document;
    if encrypted_data.is_some() {
        return Err("it is encrypted by OpenTofu; tofu show -json prints its content".to_owned());
    }
    let is_plain = version.is_some_and(|version| version == 4);
    let is_shown = format_version.text.as_ref().is_some_and(|version| version.starts_with("1."));
    if !is_plain && !is_shown {
        return Err("it is neither a state of version 4 nor output of terraform show -json with \
                    format_version 1"
            .to_owned());
    }
    let Document { resources, values, planned_values, prior_state, .. } = document;
    let mut found = Vec::new();
    for resource in resources.into_iter().flatten().filter(Resource::is_key_pair) {
        let instances = resource.instances.into_iter().flatten();
        found.extend(instances.filter_map(|instance| instance.attributes));
    }
    let prior = prior_state.and_then(|prior| prior.values);
    let modules = [values, planned_values, prior].into_iter().flatten();
    let mut modules: Vec<Module> = modules.filter_map(|values| values.root_module).collect();
    modules.reverse();
    while let Some(module) = modules.pop() {
        let resources = module.resources.into_iter().flatten();
        let pairs = resources.filter(Resource::is_key_pair).filter_map(|resource| resource.values);
        found.extend(pairs);
        modules.extend(module.child_modules.into_iter().flatten());
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Document {
    version: Option<u64>,
    /// An encrypted state has this, and the version of its encryption
    /// (<https://opentofu.org/docs/language/state/encryption/>).
    encrypted_data: Option<IgnoredAny>,
    #[serde(default)]
    format_version: Text,
    resources: Option<Vec<Resource>>,
    values: Option<Values>,
    planned_values: Option<Values>,
    prior_state: Option<PriorState>,
}

#[derive(Deserialize)]
struct PriorState {
    values: Option<Values>,
}

#[derive(Deserialize)]
struct Values {
    root_module: Option<Module>,
}

#[derive(Deserialize)]
struct Module {
    resources: Option<Vec<Resource>>,
    child_modules: Option<Vec<Module>>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    mode: Text,
    #[serde(default, rename = "type")]
    type_: Text,
    /// In a state.
    instances: Option<Vec<Instance>>,
    /// In what `terraform show` prints.
    values: Option<Attributes>,
}

impl Resource {
    fn is_key_pair(&self) -> bool {
        self.type_.text.as_deref() == Some(TYPE) && self.mode.text.as_deref() == Some("managed")
    }
}

#[derive(Deserialize)]
struct Instance {
    attributes: Option<Attributes>,
}

/// The attributes of any resource: others have members of these names too, of any type.
#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default)]
    public_key: Text,
    #[serde(default)]
    fingerprint: Text,
}

/// A text, or anything else, which is skipped.
#[derive(Default)]
struct Text {
    text: Option<String>,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text { text: Some(text.to_owned()) })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Text, A::Error> {
        while from.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Text, A::Error> {
        while from.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
}

#[cfg(test)]
mod tests;
