//! The operations that look operations up.

use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::Input;
use super::ledger::Operation;
use super::pages::Page;
use super::state::Site;

/// The API Reference of `GetOperations`: "up to a maximum of 200".
const MAX_OPERATIONS: usize = 200;

/// `GetOperation`. Each call brings an operation that is under way nearer to its end.
pub(super) fn get_operation(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let id = input.non_blank("operationId")?;
    let now = site.now;
    site.region.operations.settle(now, site.switches.operation_retention);
    let operation = site.region.operations.find_mut(id);
    let operation = operation.ok_or_else(|| ApiError::does_not_exist("Operation", id))?;
    operation.poll(now);
    Ok(json!({"operation": operation.to_json()}))
}

/// `GetOperations`.
pub(super) fn operations(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let page = Page::asked("GetOperations", input, site.switches.page_size.min(MAX_OPERATIONS))?;
    site.region.operations.settle(site.now, site.switches.operation_retention);
    let entries =
        entries(site, &page, site.region.operations.all(), site.switches.newest_operations_first);
    Ok(page.answer("operations", entries, Operation::to_json))
}

/// `GetOperationsForResource`. It also knows resources that are gone. The error for a name that
/// never was is unverified.
pub(super) fn operations_for_resource(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("resourceName", &site.switches)?;
    let page = Page::asked("GetOperationsForResource", input, site.switches.page_size)?;
    site.region.operations.settle(site.now, site.switches.operation_retention);
    let of_key_pairs = site.switches.operations_of_key_pairs;
    let is_served = |resource_type: &str| of_key_pairs || resource_type != "KeyPair";
    let exists = site.find(name).is_some_and(|resource| is_served(resource.kind));
    let known =
        || site.region.operations.of_resource(name).filter(|(_, it)| is_served(it.resource_type));
    if !exists && known().next().is_none() {
        return Err(ApiError::does_not_exist("Resource", name));
    }
    let entries = entries(site, &page, known(), site.switches.newest_operations_first);
    Ok(page.answer("operations", entries, Operation::to_json))
}

/// The operations behind a page's token that lists show already, with their keys.
fn entries<'a>(
    site: &Site<'_>,
    page: &Page,
    operations: impl DoubleEndedIterator<Item = (u64, &'a Operation)> + 'a,
    newest_first: bool,
) -> Box<dyn Iterator<Item = (String, &'a Operation)> + 'a> {
    let (now, lag) = (site.now, site.switches.operation_list_lag);
    let after: Option<u64> = page.after().and_then(|key| key.parse().ok());
    let listed = operations.filter(move |(_, operation)| operation.created_at + lag <= now);
    let key = |(number, operation): (u64, &'a Operation)| (number.to_string(), operation);
    if newest_first {
        Box::new(
            listed
                .rev()
                .filter(move |(number, _)| after.is_none_or(|after| *number < after))
                .map(key),
        )
    } else {
        Box::new(
            listed.filter(move |(number, _)| after.is_none_or(|after| *number > after)).map(key),
        )
    }
}
