//! A selection for people: the set with its prices, its diversification, what was left out.

use crate::cli::session::Session;
use crate::select::choose::Selection;
use crate::select::explain;
use crate::ui::{Cell, Column, Table, money};

/// Says what was chosen and why; stdout stays free for the specs.
pub(in crate::cli) fn selection(session: &Session, group: &str, selection: &Selection, explain: bool) {
    let size = &selection.size;
    session.ui.say(format!(
        "{group}: {} types of {} vCPUs and {} GiB ({}) in {}",
        selection.types.len(),
        size.vcpus,
        size.memory_mib / 1024,
        selection.architecture,
        selection.zones.join(", ")
    ));
    session.ui.say(prices(selection).render(false, None).trim_end());
    if explain {
        for pick in &selection.picks {
            session.ui.say(format!("  {}: {}", pick.name, pick.reason));
        }
        for (filter, types) in explain::by_first_filter(&selection.filtered) {
            session.ui.say(format!("rejected by {filter} ({}): {}", types.len(), types.join(" ")));
        }
    }
    let score = &selection.score;
    session.ui.say(format!(
        "diversification: {:.1} independent pools of {} ({} families, {} platforms, {} zones)",
        score.independent, score.pools.count, score.families.count, score.platforms.count, score.zones.count
    ));
    if let Some(worst) = score.worst() {
        session.ui.say(format!("worst single loss: {:.0} % with {}", worst.share * 100.0, worst.what));
    }
    let spot = selection.set_price.spot_per_node;
    if spot.is_some() || selection.set_price.on_demand_per_node.is_some() {
        session.ui.say(format!(
            "expected price of a node: {} spot, {} on-demand",
            money::hourly(spot),
            money::hourly(selection.set_price.on_demand_per_node)
        ));
    }
    if !selection.left_out.is_empty() {
        let parts: Vec<String> = selection
            .left_out
            .iter()
            .map(|l| format!("{} {} ({})", l.types, l.exclusion.word(), l.lifted_by))
            .collect();
        session.ui.say(format!("left out as no ordinary nodes: {}", parts.join(", ")));
    }
    for warning in &score.warnings {
        session.ui.warn(warning);
    }
    for note in &selection.notes {
        session.ui.say(note);
    }
    for miss in &selection.near_misses {
        session.ui.hint("hint", miss.sentence());
    }
}

fn prices(selection: &Selection) -> Table {
    let columns = ["type", "spot min", "median", "max", "on-demand", "saving", "$/vCPU-h"];
    let columns: Vec<Column> =
        columns.iter().enumerate().map(|(n, h)| if n == 0 { Column::new(h) } else { Column::new(h).right() }).collect();
    let mut table = Table::new(columns);
    let price = |p: Option<f64>| Cell::new(p.map_or_else(|| "unknown".to_owned(), |p| format!("{p:.4}")));
    for p in &selection.prices {
        let saving = p.saving_percent.map_or_else(String::new, |s| format!("{s:.0} %"));
        table.row([
            p.name.as_str().into(),
            price(p.spot_min),
            price(p.spot_median),
            price(p.spot_max),
            price(p.on_demand),
            saving.into(),
            price(p.per_vcpu),
        ]);
    }
    table
}
