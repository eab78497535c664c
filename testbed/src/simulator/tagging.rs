//! The operations on tags.
//!
//! Each takes the site and the input and either changes the site and answers, or answers an error
//! and changes nothing.

use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::Input;
use super::ledger::Operation;
use super::resource::DEFAULT_KEY_PAIR;
use super::state::Site;
use super::tags::{self, Tags};

/// `TagResource`. It adds tags and replaces the values of those that are there.
pub(super) fn tag(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let (name, resource_type) = taggable(site, input)?;
    let new = input.required_tags()?;
    change_tags(site, name, |tags| tags.extend(new))?;
    Ok(operations_json(&site.record("TagResource", resource_type, name)))
}

/// `UntagResource`. Keys that are not there are passed over.
pub(super) fn untag(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let (name, resource_type) = taggable(site, input)?;
    let keys = input.tag_keys()?;
    change_tags(site, name, |tags| tags.retain(|key, _| !keys.contains(&key.as_str())))?;
    Ok(operations_json(&site.record("UntagResource", resource_type, name)))
}

/// The resource that the input names, and its type; if its ARN is sent, it must be of the same
/// resource.
fn taggable<'a>(site: &Site<'_>, input: &'a Input) -> Result<(&'a str, &'static str)> {
    let name = input.resource_name("resourceName", &site.switches)?;
    let arn = input.arn("resourceArn")?;
    let resource = site.find(name).filter(|resource| arn.is_none_or(|sent| sent == resource.arn));
    let resource = resource.ok_or_else(|| ApiError::does_not_exist("Resource", name))?;
    if name == DEFAULT_KEY_PAIR && !site.switches.default_pair_taggable {
        return Err(ApiError::invalid_input(format!("{DEFAULT_KEY_PAIR} cannot be tagged")));
    }
    Ok((name, resource.kind))
}

/// Sets the tags of a resource to what `change` makes of them, unless that breaks a limit or is to
/// fail.
fn change_tags(site: &mut Site<'_>, name: &str, change: impl FnOnce(&mut Tags)) -> Result<()> {
    let fails = site.fails();
    let tags = site.tags_mut(name).ok_or_else(|| ApiError::does_not_exist("Resource", name))?;
    let mut changed = tags.clone();
    change(&mut changed);
    tags::check_count(&changed)?;
    if !fails {
        *tags = changed;
    }
    Ok(())
}

/// Replaces the tags of a resource. Whether there is such a resource, and the tags are not too
/// many.
pub(super) fn replace_tags(site: &mut Site<'_>, name: &str, tags: Tags) -> Result<()> {
    tags::check_count(&tags)?;
    *site.tags_mut(name).ok_or_else(|| ApiError::does_not_exist("Resource", name))? = tags;
    Ok(())
}

fn operations_json(operation: &Operation) -> Value {
    json!({"operations": [operation.to_json()]})
}
