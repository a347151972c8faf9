//! Tables: aligned columns, headers in upper case, nothing drawn.
//!
//! In a pipe nothing is ever cut. On a terminal only columns that are marked as flexible give way, the last one first.

use std::fmt::Write;

use super::Role;

/// Spaces between two columns.
const GAP: usize = 3;

/// The least that a flexible column keeps, so that it still says something.
const LEAST: usize = 8;

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    header: &'static str,
    right: bool,
    wide: bool,
    flexible: bool,
}

impl Column {
    /// A column with this header, in upper case.
    pub const fn new(header: &'static str) -> Self {
        Column { header, right: false, wide: false, flexible: false }
    }

    /// Numbers: aligned to the right.
    #[must_use]
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Shown with `-o wide` only.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Gives way when the terminal is too narrow.
    #[must_use]
    pub const fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }
}

/// One value, with an optional look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    role: Option<Role>,
}

impl Cell {
    /// A value; an empty one shows as `-`, so that columns can be counted.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Cell { text: if text.is_empty() { "-".to_owned() } else { text.replace(['\n', '\t'], " ") }, role: None }
    }

    /// The value in the look of this role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text)
    }
}

/// Columns and rows; every row has a cell for each column.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with no rows yet.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Table { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing show as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().take(self.columns.len()).collect();
        row.resize_with(self.columns.len(), || Cell::new(""));
        self.rows.push(row);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, headers first. `wide` shows every column; `width` is the terminal's, absent for a pipe.
    pub fn render(&self, wide: bool, width: Option<usize>) -> String {
        let shown: Vec<usize> = (0..self.columns.len()).filter(|c| wide || !self.columns[*c].wide).collect();
        let widths = self.widths(&shown, width);
        let header: Vec<Cell> =
            self.columns.iter().map(|c| Cell::new(c.header.to_uppercase()).role(Role::Strong)).collect();
        let mut text = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            for (place, column) in shown.iter().enumerate() {
                let last = place + 1 == shown.len();
                self.columns[*column].put(&row[*column], widths[place], last, &mut line);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self, shown: &[usize], limit: Option<usize>) -> Vec<usize> {
        let widest = |c: &usize| {
            let cells = self.rows.iter().map(|r| columns_of(&r[*c].text));
            cells.chain([columns_of(self.columns[*c].header)]).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = shown.iter().map(widest).collect();
        let total = widths.iter().sum::<usize>() + GAP * shown.len().saturating_sub(1);
        let mut excess = limit.map_or(0, |l| total.saturating_sub(l));
        for (place, column) in shown.iter().enumerate().rev() {
            if self.columns[*column].flexible {
                let gives = widths[place].saturating_sub(LEAST).min(excess);
                widths[place] -= gives;
                excess -= gives;
            }
        }
        widths
    }
}

impl Column {
    fn put(&self, cell: &Cell, width: usize, last: bool, line: &mut String) {
        let text = cut(&cell.text, width);
        let pad = width.saturating_sub(columns_of(&text));
        let (before, after) = if self.right { (pad, 0) } else { (0, pad) };
        let gap = if last { 0 } else { GAP };
        line.extend(std::iter::repeat_n(' ', before));
        match cell.role {
            // Writing into a String can't fail.
            Some(role) => drop(write!(line, "{}", role.paint(text))),
            None => line.push_str(&text),
        }
        line.extend(std::iter::repeat_n(' ', after + gap));
    }
}

/// The columns a text takes: names of AWS and Kubernetes things are of characters that take one each.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, width: usize) -> String {
    if columns_of(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut t = Table::new([
            Column::new("name"),
            Column::new("min").right(),
            Column::new("subnets").wide(),
            Column::new("machine types").flexible(),
        ]);
        let types = "m5.large,m5a.large,m6i.large,m6a.large";
        t.row([Cell::new("nodes-1a").role(Role::Name), "2".into(), "eu-west-1a".into(), types.into()]);
        t.row([Cell::new("control-plane").role(Role::Name), "10".into(), "".into()]);
        t
    }

    fn plain(wide: bool, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&sample().render(wide, width)).to_string()
    }

    /// Columns are aligned, numbers to the right, what is missing is a dash.
    #[test]
    fn columns_are_aligned() {
        insta::assert_snapshot!(plain(false, None), @r"
        NAME            MIN   MACHINE TYPES
        nodes-1a          2   m5.large,m5a.large,m6i.large,m6a.large
        control-plane    10   -
        ");
        insta::assert_snapshot!(plain(true, None), @r"
        NAME            MIN   SUBNETS      MACHINE TYPES
        nodes-1a          2   eu-west-1a   m5.large,m5a.large,m6i.large,m6a.large
        control-plane    10   -            -
        ");
    }

    /// Where one flexible column is not enough the one before it gives way, too.
    #[test]
    fn flexible_columns_give_way_one_after_the_other() {
        let mut t = Table::new([Column::new("name"), Column::new("ready").flexible(), Column::new("about").flexible()]);
        t.row(["a".into(), "no: Deployment kube-system/coredns is not there".into(), "Names of services.".into()]);
        t.row(["b".into(), "yes".into(), "Rights.".into()]);
        let narrow = anstream::adapter::strip_str(&t.render(false, Some(40))).to_string();
        insta::assert_snapshot!(narrow, @r"
        NAME   READY                    ABOUT
        a      no: Deployment kube-s…   Names o…
        b      yes                      Rights.
        ");
        let wider = anstream::adapter::strip_str(&t.render(false, Some(70))).to_string();
        assert!(wider.contains("coredns is not there   Names o"), "{wider}");
    }

    /// A narrow terminal cuts the flexible column and nothing else; a pipe cuts nothing.
    #[test]
    fn only_the_flexible_column_gives_way() {
        let narrow = plain(false, Some(40));
        insta::assert_snapshot!(narrow, @r"
        NAME            MIN   MACHINE TYPES
        nodes-1a          2   m5.large,m5a.larg…
        control-plane    10   -
        ");
        assert!(narrow.lines().all(|l| l.chars().count() <= 40));
    }
}
