//! What the model needs and the specs do not say: types, images, ids of shared things.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;

use super::agent;
use crate::catalogue::cache::{Cache, Key};
use crate::catalogue::fetch::{Aws, Market as _};
use crate::catalogue::image::ImageSpec;
use crate::catalogue::{Catalogue, ImageInfo, resolve_image};
use crate::cloud::aws::AwsCloud;
use crate::context::Context;
use crate::error::{Error, Result, did_you_mean};
use crate::model;
use crate::spec::networking::DnsType;
use crate::spec::{Cluster, InstanceGroup};
use crate::state::Keys;

/// Where facts come from: AWS in one region, and the cache of what it said before.
#[derive(Clone, Debug)]
pub struct Facts {
    market: Aws,
    cache: Cache,
    key: Key,
    context: Context,
}

/// The facts of one cluster.
#[derive(Clone, Debug)]
pub struct Known {
    /// The types that the groups use, and where they are offered.
    pub catalogue: Catalogue,
    /// The rest.
    pub facts: model::Facts,
}

impl Facts {
    /// Facts of the configuration's region.
    pub fn new(config: &SdkConfig, context: &Context) -> Result<Self> {
        Ok(Facts {
            market: Aws::new(config)?,
            cache: Cache::from_env(|name| context.env(name).map(str::to_owned))?,
            key: key(config, context),
            context: context.clone(),
        })
    }

    /// Everything the model needs to know for these specs.
    pub async fn of(&self, cloud: &AwsCloud, cluster: &Cluster, groups: &[InstanceGroup]) -> Result<Known> {
        let names: BTreeSet<String> = groups.iter().flat_map(types_of).collect();
        let catalogue = self.types(&names).await?;
        let (images, shared) =
            futures::future::try_join(self.images(groups, &catalogue), shared(cloud, cluster)).await?;
        let agent = agent::agents(&self.context, &Keys::of(cluster.name())?)?;
        Ok(Known { catalogue, facts: model::Facts { images, agent, ..shared } })
    }

    /// The facts of these types, from the cache where it has them all. An unknown type is an error.
    pub async fn types(&self, names: &BTreeSet<String>) -> Result<Catalogue> {
        let now = self.context.now();
        let has_all = |c: &Catalogue| names.iter().all(|n| c.types.contains_key(n));
        if let Some(cached) = self.cache.inventory(&self.key, now).filter(has_all) {
            return Ok(cached);
        }
        if let Some(cached) = self.cache.used_types(&self.key, now).filter(has_all) {
            return Ok(cached);
        }
        let fresh = self.market.inventory(Some(names), now).await?;
        if let Some(unknown) = names.iter().find(|n| !fresh.types.contains_key(*n)) {
            let error = Error::failed(format!("{} does not offer instance type {unknown}", self.key.region));
            let near = did_you_mean(unknown, fresh.types.keys().map(String::as_str));
            let error = near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?")));
            return Err(error.hint("`kspot instance-types` lists what the region offers"));
        }
        if let Err(error) = self.cache.keep_used_types(&self.key, &fresh) {
            tracing::debug!(%error, "the types are not cached");
        }
        Ok(fresh)
    }

    /// The image that a group's `image` (or, without one, the default of its architecture) stands for.
    pub async fn image(&self, group: &InstanceGroup, catalogue: &Catalogue) -> Result<ImageInfo> {
        let machine = group.spec.machine_type();
        let architecture = catalogue
            .types
            .get(machine)
            .and_then(|t| t.architectures.iter().find(|a| *a == "x86_64" || *a == "arm64"))
            .ok_or_else(|| Error::failed(format!("group {}: no image runs on {machine}", group.name())))?;
        let spec: ImageSpec = match &group.spec.image {
            Some(image) => image.parse()?,
            None => ImageSpec::default_for(architecture),
        };
        let image = resolve_image(&self.cache, &self.key, &spec, Some(architecture), &self.market).await?;
        if image.architecture != *architecture {
            return Err(Error::failed(format!(
                "group {}: image {} is for {}, {machine} is {architecture}",
                group.name(),
                image.name,
                image.architecture
            ))
            .hint("choose an image and instance types of one architecture"));
        }
        Ok(image)
    }

    async fn images(&self, groups: &[InstanceGroup], catalogue: &Catalogue) -> Result<BTreeMap<String, ImageInfo>> {
        // Groups share few images: each is asked for once.
        let mut asked: BTreeMap<(Option<String>, BTreeSet<String>), ImageInfo> = BTreeMap::new();
        let mut images = BTreeMap::new();
        for group in groups {
            let runs = catalogue.types.get(group.spec.machine_type()).map(|t| t.architectures.clone());
            let question = (group.spec.image.clone(), runs.unwrap_or_default());
            let image = match asked.get(&question) {
                Some(known) => known.clone(),
                None => self.image(group, catalogue).await?,
            };
            asked.insert(question, image.clone());
            images.insert(group.name().to_owned(), image);
        }
        Ok(images)
    }
}

/// The cache's key: a region, an endpoint, and whose credentials.
pub fn key(config: &SdkConfig, context: &Context) -> Key {
    Key {
        region: config.region().map(ToString::to_string).unwrap_or_default(),
        endpoint: config
            .endpoint_url()
            .map(str::to_owned)
            .or_else(|| context.env("AWS_ENDPOINT_URL").map(str::to_owned)),
        identity: context.env("AWS_PROFILE").map(str::to_owned),
    }
}

/// The instance types that a group may run.
pub fn types_of(group: &InstanceGroup) -> Vec<String> {
    let mixed = group.spec.mixed_instances_policy.iter().flat_map(|p| p.instances.iter().cloned());
    std::iter::once(group.spec.machine_type().to_owned()).chain(mixed).collect()
}

/// The ids of what the cluster uses and does not own.
async fn shared(cloud: &AwsCloud, cluster: &Cluster) -> Result<model::Facts> {
    let spec = &cluster.spec;
    let mut facts = model::Facts { ssh_public_key: spec.ssh_public_key.clone(), ..model::Facts::default() };
    if let Some(vpc) = &spec.network_id {
        let subnets: Vec<String> = spec.subnets.iter().filter_map(|s| s.id.clone()).collect();
        cloud.check_shared(vpc, &subnets).await?;
        facts.internet_gateway = cloud.internet_gateway_of(vpc).await?;
    }
    let addresses: Vec<String> = spec.subnets.iter().filter_map(|s| s.public_ip.clone()).collect();
    facts.elastic_ips = cloud.elastic_ips(&addresses).await?;
    let dns = cluster.dns_type();
    if dns != DnsType::None {
        let named = spec.dns_zone.as_deref().unwrap_or_else(|| cluster.name());
        facts.hosted_zone = cloud.hosted_zone(named, dns == DnsType::Private).await?;
        if facts.hosted_zone.is_none() && (dns == DnsType::Public || spec.dns_zone.is_some()) {
            return Err(Error::failed(format!("Route 53 has no hosted zone for {named}"))
                .hint("make the zone, name another with spec.dnsZone, or set spec.topology.dns.type to None"));
        }
    }
    Ok(facts)
}
