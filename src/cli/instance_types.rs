//! `kspot instance-types`: the plain selector; no cluster, no store.

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::selector::Source;
use super::selector::filters::Filters;
use super::session::Session;
use crate::catalogue::Catalogue;
use crate::error::{Error, Result};
use crate::select::explain;
use crate::select::filter::filter;
use crate::select::savings::type_price;
use crate::select::scope::{Offered, Scope};
use crate::select::sort::{SortKey, sort};
use crate::ui::{Cell, Column, Listing, Output};

/// List the instance types of a region that fit
///
/// Considers the types that the region offers and filters exactly what it is asked, nothing else.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot instance-types --region us-east-1 --vcpus 4 --memory 16GiB
  kspot instance-types --vcpus-min 2 --vcpus-max 8 --cpu-architecture arm64 --usage-class spot
  kspot instance-types --gpus 0 --max-results 0 -o names
  kspot instance-types --vcpus 4 --sort-by spot-price -o wide
")]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    source: Source,

    /// Only types that each of these zones offers
    #[arg(short = 'z', long, value_name = "ZONE,...", value_delimiter = ',')]
    availability_zones: Vec<String>,

    /// Spot advisor file for --max-interruption
    #[arg(long, value_name = "FILE")]
    advisor: Option<std::path::PathBuf>,

    /// At most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_results: usize,

    /// Order: name, vcpus, memory, spot-price, on-demand-price, ... or a JSON path
    #[arg(long, value_name = "KEY")]
    sort_by: Option<String>,

    /// Descending order
    #[arg(long)]
    descending: bool,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table
    #[default]
    Table,
    /// A table with more columns
    Wide,
    /// One JSON document
    Json,
    /// YAML
    Yaml,
    /// A name a line
    Names,
    /// Comma-separated values
    Csv,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let key = self.sort_by.as_deref().map(str::parse::<SortKey>).transpose()?;
        let prices =
            self.filters.needs_prices() || self.output == Form::Wide || key.as_ref().is_some_and(SortKey::needs_prices);
        let catalogue = self.source.load(session, None, prices).await?;
        let advisor = match &self.advisor {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|e| Error::failed(format!("can't read {}", file.display())).because(e))?;
                Some(crate::select::advisor::Advisor::parse(&text, &file.display().to_string())?)
            }
            None => None,
        };
        let scope = if self.availability_zones.is_empty() {
            Scope::region(&catalogue)
        } else {
            Scope::zones(&catalogue, &self.availability_zones, Offered::Everywhere)?
        };
        let scope = scope.with_advisor(advisor.as_ref());
        let filtered = filter(&scope, &self.filters.query()?)?;
        let mut names = filtered.kept.clone();
        if names.is_empty() {
            let error = Error::failed("no instance type fits: the filters together are too narrow");
            let misses = explain::near_misses(&filtered);
            return Err(misses.iter().take(3).fold(error, |e, m| e.hint(m.sentence())));
        }
        if let Some(key) = &key {
            sort(&scope, &mut names, key, self.descending)?;
        } else if self.descending {
            names.reverse();
        }
        let all = names.len();
        if self.max_results > 0 {
            names.truncate(self.max_results);
        }
        self.show(session, &scope, &catalogue, &names)?;
        if names.len() < all {
            session.ui.say(format!("{} of {all} types; --max-results 0 shows all", names.len()));
        }
        Ok(0)
    }

    fn show(&self, session: &Session, scope: &Scope<'_>, catalogue: &Catalogue, names: &[String]) -> Result<()> {
        let columns = [
            Column::new("type"),
            Column::new("vcpus").right(),
            Column::new("memory GiB").right(),
            Column::new("arch"),
            Column::new("pods").right(),
            Column::new("zones").right(),
            Column::new("gpus").right().wide(),
            Column::new("network").wide(),
            Column::new("hypervisor").wide(),
            Column::new("spot").right().wide(),
            Column::new("on-demand").right().wide(),
        ];
        let headers = "type,vcpus,memoryMib,architectures,pods,zones,gpus,network,hypervisor,spotMedian,onDemand";
        let mut listing = Listing::new("instance types", columns);
        let mut csv = vec![headers.to_owned()];
        for t in names.iter().filter_map(|n| catalogue.types.get(n)) {
            let price = type_price(scope, t, true);
            let zones = catalogue.zones_of(&t.name).count();
            let arch: Vec<&str> = t.architectures.iter().map(String::as_str).collect();
            let gpus: u32 = t.gpu.as_ref().map_or(0, |g| g.count());
            let money = |p: Option<f64>| p.map(|p| format!("{p:.4}")).unwrap_or_default();
            let network = t.network.performance.clone();
            let hypervisor = t.hypervisor.clone().unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^52 MiB")]
            let gib = t.memory_mib as f64 / 1024.0;
            csv.push(format!(
                "{},{},{},{},{},{zones},{gpus},{network},{hypervisor},{},{}",
                t.name,
                t.vcpus,
                t.memory_mib,
                arch.join("|"),
                t.eni_pods(),
                money(price.spot_median),
                money(price.on_demand)
            ));
            let item = json!({
                "name": t.name, "vcpus": t.vcpus, "memoryMib": t.memory_mib, "architectures": arch,
                "pods": t.eni_pods(), "zones": catalogue.zones_of(&t.name).collect::<Vec<_>>(), "gpus": gpus,
                "network": network, "hypervisor": hypervisor, "price": price,
            });
            let cells: [Cell; 11] = [
                t.name.as_str().into(),
                t.vcpus.to_string().into(),
                format!("{gib}").into(),
                arch.join(",").into(),
                t.eni_pods().to_string().into(),
                zones.to_string().into(),
                gpus.to_string().into(),
                network.into(),
                hypervisor.into(),
                money(price.spot_median).into(),
                money(price.on_demand).into(),
            ];
            listing.push(t.name.clone(), item, cells);
        }
        match self.output {
            Form::Csv => session.ui.data(csv.join("\n")),
            Form::Table => session.ui.listing(&listing, Output::Table)?,
            Form::Wide => session.ui.listing(&listing, Output::Wide)?,
            Form::Json => session.ui.listing(&listing, Output::Json)?,
            Form::Yaml => session.ui.listing(&listing, Output::Yaml)?,
            Form::Names => session.ui.listing(&listing, Output::Name)?,
        }
        Ok(())
    }
}
