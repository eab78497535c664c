//! What tests of several kinds share.

pub(crate) mod search;

use std::time::Duration;

use super::Settings;
use super::concurrency::ConcurrencyLimits;

/// Settings in which nothing takes time.
pub(crate) fn settings() -> Settings {
    Settings {
        cluster_id: "cluster".to_owned(),
        aws_account_id: None,
        call_timeout: Duration::ZERO,
        settle_time: Duration::ZERO,
        lease_duration: Duration::ZERO,
        missing_key_grace: Duration::ZERO,
        source_grace: Duration::ZERO,
        search_interval: Duration::ZERO,
        namespaces: Vec::new(),
        label_selector: None,
        is_primary: true,
        concurrency: ConcurrencyLimits::new(1),
    }
}
