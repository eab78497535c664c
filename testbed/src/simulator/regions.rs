//! The regions of Lightsail, and the operation that lists them.
//!
//! `GetRegions` answers the same in each region and for each account; whether it leaves out regions
//! that an account has not enabled is unverified.

use serde_json::{Value, json};

use super::error::Result;
use super::input::Input;
use super::state::Site;

/// The regions where Lightsail has an endpoint (botocore 1.44's `endpoints.json`), their continents
/// and names.
const REGIONS: [(&str, &str, &str); 19] = [
    ("ap-east-1", "AP", "Hong Kong"),
    ("ap-northeast-1", "AP", "Tokyo"),
    ("ap-northeast-2", "AP", "Seoul"),
    ("ap-south-1", "AP", "Mumbai"),
    ("ap-southeast-1", "AP", "Singapore"),
    ("ap-southeast-2", "AP", "Sydney"),
    ("ap-southeast-3", "AP", "Jakarta"),
    ("ap-southeast-5", "AP", "Malaysia"),
    ("ca-central-1", "NA", "Montreal"),
    ("eu-central-1", "EU", "Frankfurt"),
    ("eu-north-1", "EU", "Stockholm"),
    ("eu-south-2", "EU", "Spain"),
    ("eu-west-1", "EU", "Ireland"),
    ("eu-west-2", "EU", "London"),
    ("eu-west-3", "EU", "Paris"),
    ("sa-east-1", "SA", "Sao Paulo"),
    ("us-east-1", "NA", "Virginia"),
    ("us-east-2", "NA", "Ohio"),
    ("us-west-2", "NA", "Oregon"),
];

/// Whether Lightsail has an endpoint in this region.
pub(super) fn has(region: &str) -> bool {
    REGIONS.iter().any(|(name, ..)| *name == region)
}

/// `GetRegions`. There are zones only if they are asked for; each region has three here.
pub(super) fn list(_: &mut Site<'_>, input: &Input) -> Result<Value> {
    let zones = input.flag("includeAvailabilityZones")?;
    let of_databases = input.flag("includeRelationalDatabaseAvailabilityZones")?;
    let regions = REGIONS.iter().map(|(name, continent, display_name)| {
        json!({
            "name": name,
            "continentCode": continent,
            "displayName": display_name,
            "description": format!("This region is recommended to serve users near {display_name}"),
            "availabilityZones": zones_of(name, zones),
            "relationalDatabaseAvailabilityZones": zones_of(name, of_databases),
        })
    });
    Ok(json!({"regions": regions.collect::<Vec<_>>()}))
}

fn zones_of(region: &str, are_asked_for: bool) -> Vec<Value> {
    let letters = if are_asked_for { &["a", "b", "c"][..] } else { &[] };
    let zone = |letter| json!({"zoneName": format!("{region}{letter}"), "state": "available"});
    letters.iter().map(zone).collect()
}
