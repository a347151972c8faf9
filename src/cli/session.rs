//! What every command works with: output, context, and the store and AWS as far as a command asks for them.

use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::global::{Global, Setting};
use crate::cloud::aws::{AwsCloud, sdk_config};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ops::facts::Facts;
use crate::ops::prepare::Site;
use crate::ops::specs::Specs;
use crate::state::{Location, Store};
use crate::ui::Ui;

/// One run of kspot.
pub(super) struct Session {
    /// Output.
    pub(super) ui: Ui,
    /// Time, ids, user, environment.
    pub(super) context: Context,
    /// The global options.
    pub(super) global: Global,
    sdk: OnceCell<SdkConfig>,
}

impl Session {
    pub(super) fn new(ui: Ui, context: Context, global: Global) -> Self {
        let listener = ui.clone();
        let context = context.with_listener(move |what| listener.retried(what));
        Session { ui, context, global, sdk: OnceCell::new() }
    }

    /// Says once which of kOps' variables is used in place of ours.
    fn mention(&self, setting: &Setting) {
        if setting.source.starts_with("KOPS_") {
            let ours = setting.source.replacen("KOPS_", "KSPOT_", 1);
            self.ui.warn(format!("{} is used, since {ours} is not set", setting.source));
        }
    }

    /// The cluster the command is about.
    pub(super) fn cluster(&self, positional: Option<&str>) -> Result<String> {
        let setting = self.global.cluster_setting(&self.context, positional)?;
        self.mention(&setting);
        Ok(setting.value)
    }

    /// The state store's address.
    pub(super) fn location(&self) -> Result<Location> {
        let setting = self.global.state_setting(&self.context).ok_or_else(|| {
            Error::usage("no state store is named")
                .hint("name it with --state s3://BUCKET, or set KSPOT_STATE_STORE")
                .hint("`kspot create state-store --auto` makes one")
        })?;
        self.mention(&setting);
        setting.value.parse()
    }

    /// The state store.
    pub(super) async fn store(&self) -> Result<Arc<dyn Store>> {
        let location = self.location()?;
        crate::state::open(&location, &self.context, async { Ok(self.sdk(None).await) }).await
    }

    /// The AWS configuration as the user set it: perhaps without a region.
    pub(super) async fn sdk_as_set(&self) -> SdkConfig {
        self.sdk.get_or_init(|| sdk_config(self.global.region.as_deref())).await.clone()
    }

    /// The AWS configuration for a region: `--region` first, then the given one, then the environment's.
    pub(super) async fn sdk(&self, region: Option<&str>) -> SdkConfig {
        let config = self.sdk.get_or_init(|| sdk_config(self.global.region.as_deref())).await;
        match (&self.global.region, region) {
            (None, Some(region)) => config.clone().into_builder().region(Region::new(region.to_owned())).build(),
            // A store can be read without saying a region: S3 tells where the bucket is.
            (None, None) if config.region().is_none() => {
                config.clone().into_builder().region(Region::new("us-east-1")).build()
            }
            _ => config.clone(),
        }
    }

    /// The place to work at for a cluster whose specs are known.
    pub(super) async fn site_for(&self, specs: &Specs) -> Result<Site> {
        let region = specs.cluster.spec.region().map(str::to_owned);
        self.site_in(self.store().await?, region.as_deref()).await
    }

    /// The specs of the cluster that the command is about, and the place to work at for it.
    pub(super) async fn site(&self, positional: Option<&str>) -> Result<(Site, Specs)> {
        let (store, specs) = self.specs(positional).await?;
        Ok((self.site_in(store, specs.cluster.spec.region()).await?, specs))
    }

    /// The specs of the cluster that the command is about, and the store they are in.
    pub(super) async fn specs(&self, positional: Option<&str>) -> Result<(Arc<dyn Store>, Specs)> {
        let cluster = self.cluster(positional)?;
        let store = self.store().await?;
        let specs = crate::ops::specs::read(&store, &cluster).await?;
        Ok((store, specs))
    }

    /// The place to work at for a cluster whose specs may be gone or unreadable: then the region is the one that was
    /// applied last, or the environment's.
    pub(super) async fn site_of(&self, cluster: &str) -> Result<Site> {
        let store = self.store().await?;
        let texts = crate::ops::specs::open(&store, cluster)?;
        let (specs, applied) = futures::future::try_join(texts.read_if_exists(), texts.applied()).await?;
        let typed = crate::ops::specs::check(&specs.texts, &[]).ok();
        let region = typed.as_ref().and_then(|t| t.cluster.spec.region().map(str::to_owned));
        self.site_in(store, region.or(applied.map(|a| a.region)).as_deref()).await
    }

    async fn site_in(&self, store: Arc<dyn Store>, region: Option<&str>) -> Result<Site> {
        self.require_home(region)?;
        let config = self.sdk(region).await;
        Ok(Site {
            context: self.context.clone(),
            location: self.location()?,
            cloud: AwsCloud::new(&config, &self.context)?.with_store(Arc::clone(&store)),
            facts: Facts::new(&config, &self.context)?,
            sdk: config,
            store,
        })
    }

    /// Refuses a `--region` that is not the cluster's: nothing of the cluster would be found there.
    pub(super) fn require_home(&self, home: Option<&str>) -> Result<()> {
        match (self.global.region.as_deref(), home) {
            (Some(named), Some(home)) if named != home => {
                Err(Error::usage(format!("the cluster is in {home}, --region says {named}"))
                    .hint("leave --region out: a cluster's region follows from its zones"))
            }
            _ => Ok(()),
        }
    }

    /// A token that the first Ctrl-C cancels; the second one ends the process at once with exit code 130.
    pub(super) fn interrupts(&self) -> CancellationToken {
        let stop = CancellationToken::new();
        let (token, ui) = (stop.clone(), self.ui.clone());
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                token.cancel();
                ui.say("interrupted: the calls in flight end first; Ctrl-C again leaves at once");
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                leave_at_once();
            }
        });
        stop
    }
}

/// Ends the process: whoever pressed Ctrl-C twice wants it gone, whatever is still running.
#[expect(clippy::exit, reason = "the second Ctrl-C must not wait for anything")]
fn leave_at_once() {
    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
}
