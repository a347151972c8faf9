//! How the Kubernetes API is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::network::Ipv4Address;
use super::networking::LoadBalancerType;

block! {
    /// How the Kubernetes API is reached: a network load balancer (the default), or DNS records of the control-plane machines.
    pub struct ApiSpec {
        /// Records in Route 53 that point at the control-plane machines; needs `topology.dns.type` Public or Private. Excludes loadBalancer.
        pub dns: Option<DnsAccess>,
        /// The network load balancer.
        pub load_balancer: Option<ApiLoadBalancer>,
        /// DNS name of the API in the certificate and in Route 53 (kOps: masterPublicName). Default `api.<cluster>` with Route 53.
        pub public_name: Option<String>,
    }
}

block! {
    /// DNS records of the control-plane machines; nothing to set.
    pub struct DnsAccess {}
}

block! {
    /// The network load balancer of the API.
    pub struct ApiLoadBalancer {
        /// Class of the load balancer; only `Network` exists.
        pub class: Option<LoadBalancerClass>,
        /// `Public` (the default) or `Internal`.
        #[serde(rename = "type")]
        pub balancer_type: Option<LoadBalancerType>,
        /// Id of an existing security group (`sg-...`) in place of kspot's own. Shared: never changed.
        pub security_group_override: Option<String>,
        /// Ids of existing security groups (`sg-...`) it is also in. Shared: never changed.
        pub additional_security_groups: Vec<String>,
        /// Whether machines inside use it too; with a public load balancer only. Default false.
        #[serde(rename = "useForInternalApi")]
        pub use_for_internal_api: Option<bool>,
        /// ARN of a certificate in ACM that is shown on port 443; client certificates then use port 8443.
        pub ssl_certificate: Option<String>,
        /// TLS policy of that listener. Default ELBSecurityPolicy-TLS13-1-2-2021-06.
        pub ssl_policy: Option<String>,
        /// Whether each zone's address serves every zone's machines. Default true without Route 53, else false.
        pub cross_zone_load_balancing: Option<bool>,
        /// The subnets it lives in. Default: one per zone, utility before public before private.
        pub subnets: Vec<LoadBalancerSubnet>,
        /// Where connections are logged.
        pub access_log: Option<AccessLog>,
    }
}

/// Class of a load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancerClass {
    /// A network load balancer.
    #[default]
    Network,
}

/// A subnet a load balancer lives in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancerSubnet {
    /// Name of one of the cluster's subnets.
    pub name: String,
    /// Its address there; internal load balancers only.
    #[serde(rename = "privateIPv4Address", default, skip_serializing_if = "Option::is_none")]
    pub private_ipv4_address: Option<Ipv4Address>,
    /// An existing Elastic IP (`eipalloc-...`); public load balancers only. Shared: never released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
}

block! {
    /// Where a load balancer's connections are logged.
    pub struct AccessLog {
        /// Bucket.
        pub bucket: Option<String>,
        /// Prefix of the keys.
        pub bucket_prefix: Option<String>,
    }
}
