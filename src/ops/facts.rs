//! What the model needs and the specs do not say: types, images, ids of shared things.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;

use super::agent;
use crate::catalogue::cache::{Cache, Key};
use crate::catalogue::fetch::{Aws, Market as _};
use crate::catalogue::image::ImageSpec;
use crate::catalogue::{Catalogue, ImageInfo, Prices, resolve_image};
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
            market: Aws::new(config, context)?,
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

    /// The prices of these types, from the cache where they are fresh. What can't be had is said in
    /// [`Prices::missing`].
    pub async fn prices(&self, types: &BTreeSet<String>) -> Prices {
        let now = self.context.now();
        if let Some(cached) = self.cache.prices(&self.key, now) {
            return cached;
        }
        if let Some(cached) = self.cache.used_prices(&self.key, types, now) {
            return cached;
        }
        let fresh = self.market.prices_of(types, now).await;
        if fresh.missing.is_empty()
            && let Err(error) = self.cache.keep_used_prices(&self.key, types, &fresh)
        {
            tracing::debug!(%error, "the prices are not cached");
        }
        fresh
    }

    /// What AWS said before, and what else is kept on this machine.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Gives groups that name no image today's default one of their architecture, by its full name.
    pub async fn pin_images(&self, groups: impl Iterator<Item = &mut InstanceGroup>) -> Result<()> {
        let mut groups: Vec<&mut InstanceGroup> = groups.filter(|g| g.spec.image.is_none()).collect();
        if groups.is_empty() {
            return Ok(());
        }
        let names = groups.iter().flat_map(|g| types_of(g)).collect();
        let catalogue = self.types(&names).await?;
        let images = self.images(groups.iter().map(|g| &**g), &catalogue).await?;
        for group in &mut groups {
            group.spec.image = images.get(group.name()).map(ImageInfo::pinned);
        }
        Ok(())
    }

    async fn images(
        &self,
        groups: impl IntoIterator<Item = &InstanceGroup>,
        catalogue: &Catalogue,
    ) -> Result<BTreeMap<String, ImageInfo>> {
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
    facts.hosted_zone = existing_zone(cloud, cluster).await?;
    if let Some((bucket, _)) = spec.discovery_store() {
        facts.discovery_region = Some(cloud.bucket_region(bucket).await?);
    }
    Ok(facts)
}

/// The hosted zone that exists before the cluster: a public cluster's always does, a private one has a zone of its own
/// unless its spec names one.
async fn existing_zone(cloud: &AwsCloud, cluster: &Cluster) -> Result<Option<String>> {
    let spec = &cluster.spec;
    let private = cluster.dns_type() == DnsType::Private;
    let named = match (cluster.dns_type(), &spec.dns_zone) {
        (DnsType::None, _) | (DnsType::Private, None) => return Ok(None),
        (_, Some(zone)) => zone.as_str(),
        (DnsType::Public, None) => cluster.name(),
    };
    let Some(zone) = cloud.hosted_zone(named, private).await? else {
        let sort = if private { "private" } else { "public" };
        return Err(Error::failed(format!("Route 53 has no {sort} hosted zone for {named}"))
            .hint("make the zone, name another with spec.dnsZone, or set spec.topology.dns.type to None"));
    };
    if let (true, Some(vpc)) = (private, &spec.network_id) {
        cloud.check_zone_serves(&zone, vpc).await?;
    }
    Ok(Some(zone))
}
