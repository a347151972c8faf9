//! How a cluster is: the groups, what was found, and what changed while it was waited for.

use std::time::Duration;

use jiff::Timestamp;

use super::{Cell, Column, Role, Table, Ui, size, time};
use crate::validate::report::{Finding, News, Report, Severity};

/// How many findings of one severity a table shows; JSON has them all.
const SHOWN: usize = 20;

impl Ui {
    /// Prints a judgement: a table of groups, and one of findings if there are any.
    pub fn health(&self, report: &Report, now: Timestamp) {
        self.table(&groups(report), false);
        if report.findings.is_empty() {
            return;
        }
        self.data("");
        self.table(&findings(report, now), false);
        for (severity, what) in
            [(Severity::Blocks, "problem"), (Severity::Churn, "note"), (Severity::Warning, "warning")]
        {
            let all = report.findings.iter().filter(|f| f.severity == severity).count();
            if all > SHOWN {
                self.say(format!("and {} more; -o json lists them all", size::count(all - SHOWN, what)));
            }
        }
    }

    /// Says what changed between two looks, on stderr.
    pub fn health_news(&self, news: &News<'_>, after: Duration) {
        let after = format!("{:>7}", time::duration(after));
        let lines = |all: &[&Finding], line: &dyn Fn(&Finding) -> String| {
            for finding in all.iter().take(SHOWN) {
                self.say(format!("{} {}", Role::Dim.paint(&after), line(finding)));
            }
            if all.len() > SHOWN {
                self.say(format!("{} and {} more", Role::Dim.paint(&after), all.len() - SHOWN));
            }
        };
        lines(&news.over, &|f| format!("{} {} {}", Role::Add.paint("ok"), f.kind.as_str(), f.name));
        lines(&news.found, &|f| {
            format!("{} {} {}: {}", mark(f.severity).0.paint(mark(f.severity).1), f.kind.as_str(), f.name, f.message)
        });
    }
}

/// The look and the word of a severity.
fn mark(severity: Severity) -> (Role, &'static str) {
    match severity {
        Severity::Blocks => (Role::Delete, "problem"),
        Severity::Churn => (Role::Dim, "churn"),
        Severity::Warning => (Role::Warning, "warning"),
    }
}

fn groups(report: &Report) -> Table {
    let mut table = Table::new([
        Column::new("instance group"),
        Column::new("role"),
        Column::new("desired").right(),
        Column::new("ready").right(),
        Column::new("coming").right(),
        Column::new("going").right(),
        Column::new("failing").right(),
    ]);
    for group in &report.groups {
        let count = |n: u32| Cell::new(n.to_string());
        let ready = if group.desired.is_some_and(|d| group.ready >= d) { Role::Add } else { Role::Warning };
        let failing = if group.failing > 0 { count(group.failing).role(Role::Delete) } else { count(0) };
        table.row([
            group.name.as_str().into(),
            format!("{:?}", group.role).into(),
            group.desired.map(|d| d.to_string()).unwrap_or_default().into(),
            count(group.ready).role(ready),
            count(group.coming),
            count(group.going),
            failing,
        ]);
    }
    table
}

fn findings(report: &Report, now: Timestamp) -> Table {
    let mut table = Table::new([
        Column::new("severity"),
        Column::new("kind"),
        Column::new("name"),
        Column::new("message").flexible(),
        Column::new("since"),
    ]);
    let mut shown = std::collections::BTreeMap::<Severity, usize>::new();
    for finding in &report.findings {
        let so_far = shown.entry(finding.severity).or_default();
        *so_far += 1;
        if *so_far > SHOWN {
            continue;
        }
        let (role, word) = mark(finding.severity);
        table.row([
            Cell::new(word).role(role),
            finding.kind.as_str().into(),
            finding.name.as_str().into(),
            finding.message.as_str().into(),
            finding.since.map(|since| time::ago(now, since)).unwrap_or_default().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Role as Machines;
    use crate::validate::report::{GroupCount, Kind};

    fn report(findings: usize) -> Report {
        let finding = |n: usize| Finding {
            severity: Severity::Blocks,
            kind: Kind::Node,
            name: format!("i-{n:03}"),
            group: Some("nodes".into()),
            message: "is not ready: PLEG is not healthy".into(),
            since: Some(Timestamp::constant(940, 0)),
        };
        let warning = Finding {
            severity: Severity::Warning,
            kind: Kind::Key,
            name: "etcd-ca 0001".into(),
            group: None,
            message: "expires soon".into(),
            since: None,
        };
        let groups = vec![GroupCount {
            name: "nodes".into(),
            role: Machines::Node,
            desired: Some(5),
            ready: 3,
            coming: 1,
            going: 0,
            failing: 1,
        }];
        Report::new(Timestamp::constant(1000, 0), groups, (0..findings).map(finding).chain([warning]).collect())
    }

    /// Two tables; what blocks stands first.
    #[test]
    fn a_report() {
        let (ui, out, err) = Ui::captured();
        ui.health(&report(1), Timestamp::constant(1000, 0));
        insta::assert_snapshot!(out.take(), @r"
        INSTANCE GROUP   ROLE   DESIRED   READY   COMING   GOING   FAILING
        nodes            Node         5       3        1       0         1

        SEVERITY   KIND   NAME           MESSAGE                             SINCE
        problem    node   i-000          is not ready: PLEG is not healthy   1 minute ago
        warning    key    etcd-ca 0001   expires soon                        -
        ");
        assert_eq!(err.take(), "");
    }

    /// Thousands of findings do not fill the screen.
    #[test]
    fn long_reports_are_cut() {
        let (ui, out, err) = Ui::captured();
        ui.health(&report(500), Timestamp::constant(1000, 0));
        assert_eq!(out.take().lines().filter(|l| l.starts_with("problem")).count(), SHOWN);
        assert_eq!(err.take(), "and 480 problems more; -o json lists them all\n");
    }

    /// Between two looks only what changed is said, with the time since the start.
    #[test]
    fn what_changed() {
        let (ui, _, err) = Ui::captured();
        let (before, after) = (report(1), report(0));
        ui.health_news(&before.since(None), Duration::from_secs(3));
        ui.health_news(&after.since(Some(&before)), Duration::from_secs(75));
        ui.health_news(&after.since(Some(&after)), Duration::from_secs(85));
        insta::assert_snapshot!(err.take(), @r"
          3.0s problem node i-000: is not ready: PLEG is not healthy
          3.0s warning key etcd-ca 0001: expires soon
        1m 15s ok node i-000
        ");
    }
}
