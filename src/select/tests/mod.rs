//! Tests of the selector as a whole, and what they share: the catalogue of a real region, with synthetic prices.

mod choose;
mod group;
mod lint;
mod properties;

use std::path::Path;
use std::sync::OnceLock;

use crate::catalogue::Catalogue;
use crate::select::{Offered, Query, Range, Scope};

/// us-east-1: real types and offerings, synthetic prices.
pub(crate) fn us_east_1() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue-us-east-1.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    })
}

/// The tutorial's first command: like m5.xlarge, spot, nothing burstable, no GPU, none of generations 1 to 3.
pub(crate) fn tutorial_1() -> Query {
    Query {
        usage_class: Some("spot".into()),
        base_instance_type: Some("m5.xlarge".into()),
        burst_support: Some(false),
        deny_list: Some(r"^?[1-3].*\..*".parse().unwrap()),
        gpus: Some(Range::exactly(0)),
        ..Query::default()
    }
}

/// The tutorial's second command: 2 vCPUs and 8 GB, spot, nothing burstable, no GPU.
pub(crate) fn tutorial_2() -> Query {
    Query {
        usage_class: Some("spot".into()),
        cpu_architecture: Some("amd64".into()),
        burst_support: Some(false),
        vcpus: Some(Range::exactly(2)),
        memory: Some(Range::exactly("8GB".parse().unwrap())),
        gpus: Some(Range::exactly(0)),
        ..Query::default()
    }
}

/// Three zones of us-east-1, as a cluster has them.
pub(crate) fn three_zones() -> Scope<'static> {
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"].map(String::from);
    Scope::zones(us_east_1(), &zones, Offered::Somewhere).unwrap()
}
