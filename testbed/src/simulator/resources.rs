//! The operations on tags, instances, known host keys and operations.
//!
//! Each takes the site and the checked input and either changes the site and answers, or answers an error and changes nothing.

use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::{Input, check_tag_count};
use super::operations::page;
use super::state::{DEFAULT_KEY_PAIR, Instance, Operation, Site, Tags, now};
use super::switches::OperationStatus;

/// `TagResource`. It adds tags and replaces the values of those that are there.
pub(super) fn tag(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = taggable(site, input)?;
    let new = input.required_tags()?;
    change_tags(site, name, |tags| tags.extend(new))?;
    Ok(operations_json(&site.done("TagResource", resource_type(site, name), name)))
}

/// `UntagResource`. Keys that are not there are passed over.
pub(super) fn untag(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = taggable(site, input)?;
    let keys = input.tag_keys()?;
    change_tags(site, name, |tags| tags.retain(|key, _| !keys.contains(&key.as_str())))?;
    Ok(operations_json(&site.done("UntagResource", resource_type(site, name), name)))
}

/// The resource that the input names; if its ARN is sent, it must be of the same resource.
fn taggable<'a>(site: &Site<'_>, input: &'a Input) -> Result<&'a str> {
    let name = input.resource_name("resourceName")?;
    let arn = arn_of(site, name).ok_or_else(|| ApiError::does_not_exist("Resource", name))?;
    if input.text("resourceArn")?.is_some_and(|sent| sent != arn) {
        return Err(ApiError::does_not_exist("Resource", name));
    }
    if name == DEFAULT_KEY_PAIR && !site.switches.default_pair_taggable {
        return Err(ApiError::invalid_input(format!("{DEFAULT_KEY_PAIR} cannot be tagged")));
    }
    Ok(name)
}

/// Sets the tags of a resource to what `change` makes of them, unless that breaks a limit.
pub(super) fn change_tags(site: &mut Site<'_>, name: &str, change: impl FnOnce(&mut Tags)) -> Result<()> {
    let tags = site.tags_mut(name).ok_or_else(|| ApiError::does_not_exist("Resource", name))?;
    let mut changed = tags.clone();
    change(&mut changed);
    check_tag_count(&changed)?;
    *tags = changed;
    Ok(())
}

fn arn_of<'a>(site: &'a Site<'_>, name: &str) -> Option<&'a str> {
    let pair = site.region.key_pairs.get(name).map(|stored| stored.pair.arn.as_str());
    pair.or_else(|| site.region.instances.get(name).map(|instance| instance.arn.as_str()))
}

fn resource_type(site: &Site<'_>, name: &str) -> &'static str {
    if site.region.instances.contains_key(name) { "Instance" } else { "KeyPair" }
}

/// Makes an instance, with the default key pair's name but without making that pair.
pub(super) fn add_instance(site: &mut Site<'_>, name: &str) -> Result<()> {
    if site.is_taken(name) {
        return Err(ApiError::name_exists(name));
    }
    let instance = Instance {
        name: name.to_owned(),
        arn: site.arn("Instance"),
        support_code: site.support_code(name),
        created_at: now(),
        availability_zone: format!("{}a", site.scope.region),
        region: site.scope.region.clone(),
        tags: Tags::new(),
        known_host_keys_resets: 0,
    };
    site.region.instances.insert(name.to_owned(), instance);
    Ok(())
}

/// `GetInstance`, without hardware and networking.
pub(super) fn get_instance(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("instanceName")?;
    let instance = site.region.instances.get(name).ok_or_else(|| ApiError::does_not_exist("Instance", name))?;
    Ok(json!({"instance": instance.to_json()}))
}

/// `DeleteKnownHostKeys`. The record is gone when this answers, unless the operation is to fail; whether its operation is over
/// by then depends on the switches. That it succeeds without a record is unverified.
pub(super) fn delete_known_host_keys(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("instanceName")?;
    let (ends_as, polls) = (site.switches.operation_status, site.switches.operation_polls);
    let instance = site.region.instances.get_mut(name).ok_or_else(|| ApiError::does_not_exist("Instance", name))?;
    if ends_as != OperationStatus::Failed {
        instance.known_host_keys_resets += 1;
    }
    Ok(operations_json(&site.start("DeleteKnownHostKeys", "Instance", name, ends_as, polls)))
}

/// `GetOperation`. Each call brings an operation that is under way nearer to its end.
pub(super) fn get_operation(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let id = input.required_text("operationId")?;
    let operation = site.region.operations.iter_mut().find(|operation| operation.id == id);
    let operation = operation.ok_or_else(|| ApiError::does_not_exist("Operation", id))?;
    operation.poll();
    Ok(json!({"operation": operation.to_json()}))
}

/// `GetOperationsForResource`, the oldest first. It also knows resources that are gone. The order, and the error for a name
/// that never was, are unverified.
pub(super) fn operations_for_resource(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("resourceName")?;
    let of_resource = site.region.operations.iter().filter(|operation| operation.resource_name == name);
    let entries: Vec<_> = of_resource.enumerate().map(|(at, it)| (format!("{at:010}"), it.to_json())).collect();
    if entries.is_empty() && !site.is_taken(name) {
        return Err(ApiError::does_not_exist("Resource", name));
    }
    page("operations", entries.into_iter(), input.text("pageToken")?, site.switches.page_size)
}

fn operations_json(operation: &Operation) -> Value {
    json!({"operations": [operation.to_json()]})
}
