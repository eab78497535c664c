//! The memory that a pod of the chart may take.
//!
//! Nothing is set up in the machine's control groups, which belong to somebody else where this runs
//! in a container. Instead, a replica whose memory has passed the limit is killed, as the kernel
//! kills a container.

use std::path::Path;

use anyhow::{Context, Result};
use serde_yaml_ng::Value;

/// The limit in the chart's default values, in KiB.
pub(super) fn of_chart(project: &Path) -> Result<u64> {
    let file = project.join("charts/lightsail-operator/values.yaml");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let values: Value = serde_yaml_ng::from_str(&text).context("read the chart's values")?;
    let limit = values["resources"]["limits"]["memory"].as_str();
    let limit = limit.context("the chart has no resources.limits.memory")?;
    kibibytes(limit).with_context(|| format!("{limit} is not a number of Ki, Mi or Gi"))
}

fn kibibytes(quantity: &str) -> Option<u64> {
    let units = [("Ki", 1), ("Mi", 1024), ("Gi", 1024 * 1024)];
    let number = |(unit, each): &(&str, u64)| {
        quantity.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*each)
    };
    units.iter().find_map(number)
}

#[cfg(test)]
mod tests {
    use super::kibibytes;

    #[test]
    fn quantities_of_memory() {
        for (quantity, wanted) in [
            ("128Mi", Some(128 * 1024)),
            ("1Gi", Some(1024 * 1024)),
            ("512Ki", Some(512)),
            ("128M", None),
            ("Mi", None),
        ] {
            assert_eq!(kibibytes(quantity), wanted, "{quantity}");
        }
    }
}
