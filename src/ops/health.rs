//! Looks at a cluster from all sides: AWS, the state store and the Kubernetes API; then judges.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use kube::Client;

use super::prepare::Site;
use super::specs::{Specs, open};
use super::{keys, machines};
use crate::addons::catalogue::Target;
use crate::cloud::aws::sizes::Size;
use crate::error::{Error, Result};
use crate::kube::connect::Connection;
use crate::kube::serving::Serving;
use crate::kube::{Watch, error, ready};
use crate::model::tags::INSTANCE_GROUP;
use crate::pki::keyset::State;
use crate::spec::duration::GoDuration;
use crate::spec::{Cluster, InstanceGroup};
use crate::state::ClusterStore;
use crate::validate::view::{Alarm, CloudGroup, Group, Key, Kubernetes, Machine, Node, Shortage, Snapshots, View};
use crate::validate::{Probe, Report, Rules, judge};

/// How many groups that are short are asked why: one request each.
const ASKED: usize = 10;

/// A machine tells of its members every minute; who has not told for so long is away.
const LATELY: SignedDuration = SignedDuration::from_mins(5);

/// A cluster that is looked at, perhaps again and again.
pub struct Health<'a> {
    site: &'a Site,
    store: ClusterStore,
    cluster: Cluster,
    groups: Vec<InstanceGroup>,
    addons: Vec<(String, Vec<Target>)>,
    client: Client,
    serving: Option<Serving>,
    watch: Watch,
    rules: Rules,
    keys: Vec<Key>,
}

impl std::fmt::Debug for Health<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("cluster", &self.cluster.name()).finish_non_exhaustive()
    }
}

impl<'a> Health<'a> {
    /// Begins to watch the cluster whose API the connection reaches.
    pub async fn new(site: &'a Site, specs: &Specs, connection: Connection, rules: Rules) -> Result<Self> {
        let Connection { client, serving } = connection;
        let (cluster, groups) = crate::spec::complete::complete(&specs.cluster, &specs.groups)?;
        let watch = Watch::start(&client);
        let store = open(&site.store, cluster.name())?;
        let (keys, context) = futures::try_join!(signing(&store), super::addons::context(site, specs))?;
        let addons = crate::addons::expected(&context)?;
        Ok(Health { site, store, cluster, groups, addons, client, serving, watch, rules, keys })
    }

    /// Everything that is known now.
    pub async fn view(&self) -> Result<View> {
        let cluster = self.cluster.name();
        let aws = async {
            futures::try_join!(self.site.cloud.sizes(cluster, INSTANCE_GROUP), self.site.cloud.instances(cluster))
        };
        let now = self.site.context.now();
        let api = async {
            let serving = self.serving().await;
            let expired = serving.is_some_and(|end| end <= now);
            Ok::<_, Error>((serving, self.kubernetes(expired).await?))
        };
        let etcd = async { futures::try_join!(self.snapshots(), self.alarms(now)) };
        let ((sizes, instances), (serving, kubernetes), (snapshots, alarms)) = futures::try_join!(aws, api, etcd)?;
        let ending: BTreeSet<&str> =
            sizes.iter().flat_map(|s| &s.machines).filter(|(_, ending)| *ending).map(|(id, _)| id.as_str()).collect();
        let mut machines: Vec<Machine> =
            instances.iter().map(|i| Machine { ending: ending.contains(i.id.as_str()), ..machines::seen(i) }).collect();
        self.tell_boots(&mut machines, kubernetes.as_ref().map_or(&[], |k| &k.nodes)).await?;
        let shortages = self.shortages(&sizes).await?;
        let groups = self.groups.iter().map(|g| group(g, &sizes, &shortages)).collect();
        let version = self.cluster.spec.kubernetes_version();
        let keys = self.keys.clone();
        Ok(View { now, version, groups, machines, kubernetes, keys, serving, snapshots, alarms })
    }

    /// When the API server's own certificate ends.
    async fn serving(&self) -> Option<Timestamp> {
        Some(self.serving.as_ref()?.certificate().await?.not_after)
    }

    /// What the API says. That it does not answer is an answer, and so is that nobody may believe it any more; that it
    /// refuses us is an error.
    async fn kubernetes(&self, expired: bool) -> Result<Result<Kubernetes, String>> {
        let doing = "read the cluster's state";
        let asked = async {
            let plain = async {
                futures::try_join!(ready::server_version(&self.client), ready::addons(&self.client, &self.addons))
                    .map_err(std::sync::Arc::new)
            };
            futures::try_join!(self.watch.seen(), plain)
        };
        match asked.await {
            Ok(((nodes, pods), (version, addons))) => Ok(Ok(Kubernetes { version, nodes, pods, addons })),
            Err(e) if error::passes(&e) || expired => Ok(Err(error::of(doing, e).chain())),
            Err(e) => Err(error::of(doing, e)),
        }
    }

    /// How far the boots got of machines that have not joined.
    async fn tell_boots(&self, machines: &mut [Machine], nodes: &[Node]) -> Result<()> {
        let joined: BTreeSet<&str> = nodes.iter().filter_map(|n| n.instance.as_deref()).collect();
        let waiting: Vec<String> =
            machines.iter().filter(|m| !joined.contains(m.id.as_str())).map(|m| m.id.clone()).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let boots = machines::boots(&self.store, &waiting).await?;
        for machine in machines {
            machine.boot = machines::boot_of(machine.launched, boots.get(&machine.id));
        }
        Ok(())
    }

    /// Why groups are short, by their names on AWS.
    async fn shortages(&self, sizes: &[Size]) -> Result<BTreeMap<String, Shortage>> {
        let short = sizes.iter().filter(|s| (s.machines.len() as u32) < s.desired);
        let (suspended, short): (Vec<&Size>, Vec<&Size>) = short.partition(|s| s.launches_suspended);
        let asked = short
            .into_iter()
            .take(ASKED)
            .map(|s| async move { Ok::<_, Error>((s.name.clone(), self.site.cloud.failing_launches(&s.name).await?)) });
        let launches = try_join_all(asked).await?.into_iter().filter_map(|(name, l)| Some((name, l?)));
        let mut shortages: BTreeMap<String, Shortage> =
            launches.map(|(name, l)| (name, Shortage { since: l.since, cause: l.cause })).collect();
        let cause = "its process Launch is suspended: nothing is launched before it is resumed";
        for size in suspended {
            let since = Timestamp::UNIX_EPOCH;
            shortages.insert(size.name.clone(), Shortage { since, cause: Some(cause.to_owned()) });
        }
        Ok(shortages)
    }

    /// Of each etcd cluster, once it has been seeded.
    async fn snapshots(&self) -> Result<Vec<Snapshots>> {
        let Some(created) = self.store.etcd_created().await? else { return Ok(Vec::new()) };
        let all = self.cluster.spec.etcd_clusters.iter().map(|etcd| async {
            let interval = etcd.manager.as_ref().and_then(|m| m.backup_interval).unwrap_or(GoDuration::minutes(15));
            let listed = super::etcd::snapshots(self.site, &self.store, etcd).await;
            Snapshots {
                etcd: etcd.name.clone(),
                since: created.when,
                // Who may look at the cluster need not have a right on the place of its snapshots.
                newest: listed.map(|all| all.last().map(|newest| newest.when)).map_err(|e| e.chain()),
                interval: SignedDuration::try_from(interval.to_std()).unwrap_or(SignedDuration::MAX / 4),
            }
        });
        Ok(futures::future::join_all(all).await)
    }

    /// What members have complained of lately.
    async fn alarms(&self, now: Timestamp) -> Result<Vec<Alarm>> {
        let reports = self.store.etcd_reports().await?;
        let lately = reports.iter().filter(|report| now.duration_since(report.when) <= LATELY);
        let alarms = lately.flat_map(|report| {
            let member = format!("{}/{}", report.etcd, report.member);
            let alarm = move |what| Alarm { member: member.clone(), what };
            report.alarms().into_iter().map(alarm)
        });
        Ok(alarms.collect())
    }
}

#[async_trait]
impl Probe for Health<'_> {
    async fn look(&mut self) -> Result<Report> {
        Ok(judge(&self.view().await?, self.rules))
    }

    async fn changed(&mut self) {
        self.watch.changed().await;
    }
}

/// The keys whose end matters: those that sign.
async fn signing(store: &ClusterStore) -> Result<Vec<Key>> {
    let all = keys::list(store).await?.into_iter().filter(|k| k.state == State::Primary);
    Ok(all.filter_map(|k| Some(Key { name: format!("{} {}", k.keyset, k.id), expires: k.expires? })).collect())
}

/// A group of the spec, and what AWS has of it.
fn group(group: &InstanceGroup, sizes: &[Size], shortages: &BTreeMap<String, Shortage>) -> Group {
    let size = sizes.iter().find(|s| s.group == group.name());
    let cloud = size.map(|s| CloudGroup { desired: s.desired, shortage: shortages.get(&s.name).cloned() });
    Group { name: group.name().to_owned(), role: group.spec.role, min: group.spec.min_size(), cloud }
}
