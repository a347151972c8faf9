//! What a `get` command prints: the data once, in the form that `-o` asks for.

use serde_json::{Value, json};

use super::table::{Cell, Column, Table};
use super::{Ui, json};
use crate::error::{Context, Result};

/// The form of a command's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A table for people
    #[default]
    Table,
    /// The table with every column
    Wide,
    /// One JSON document
    Json,
    /// YAML
    Yaml,
    /// One name a line
    Name,
}

impl Output {
    /// Whether it is for people to read.
    pub fn is_for_people(self) -> bool {
        matches!(self, Output::Table | Output::Wide)
    }
}

/// Things of one sort, each as a row, a name and data.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The things' plural, in lower case: `instance groups`.
    plural: &'static str,
    table: Table,
    names: Vec<String>,
    items: Vec<Value>,
    manifests: Option<Vec<String>>,
}

impl Listing {
    /// A listing with nothing in it yet; `plural` is what its things are called, in lower case.
    pub fn new(plural: &'static str, columns: impl Into<Vec<Column>>) -> Self {
        Listing { plural, table: Table::new(columns), names: Vec::new(), items: Vec::new(), manifests: None }
    }

    /// Adds a thing.
    pub fn push(&mut self, name: impl Into<String>, item: Value, cells: impl IntoIterator<Item = Cell>) {
        self.names.push(name.into());
        self.items.push(item);
        self.table.row(cells);
    }

    /// The things are specs: `-o yaml` prints these texts as they are, as documents of one stream.
    #[must_use]
    pub fn manifests(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.manifests = Some(texts.into_iter().collect());
        self
    }

    fn document(&self) -> Value {
        json!({ "items": self.items })
    }

    fn yaml(&self) -> Result<String> {
        match &self.manifests {
            Some(texts) => {
                let texts: Vec<&str> = texts.iter().map(|t| t.trim_start_matches("---\n").trim_end()).collect();
                Ok(texts.join("\n---\n"))
            }
            None => serde_yaml::to_string(&json::versioned(self.document())).context(|| "can't write YAML".to_owned()),
        }
    }
}

impl Ui {
    /// Prints a listing to stdout in the form asked for. That there is nothing is said on stderr.
    pub fn listing(&self, listing: &Listing, output: Output) -> Result<()> {
        match output {
            Output::Json => self.json(&listing.document())?,
            Output::Yaml if listing.items.is_empty() && listing.manifests.is_some() => {}
            Output::Yaml => self.data(listing.yaml()?),
            _ if listing.items.is_empty() => self.say(format!("No {}.", listing.plural)),
            Output::Name => self.data(listing.names.join("\n")),
            Output::Table | Output::Wide => self.table(&listing.table, output == Output::Wide),
        }
        Ok(())
    }

    /// Prints a table to stdout: cut to the terminal's width, in a pipe never cut.
    pub fn table(&self, table: &Table, wide: bool) {
        self.data(table.render(wide, self.terminal().out_width));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Listing {
        let mut l = Listing::new("instance groups", [Column::new("name"), Column::new("role")]);
        for (name, role) in [("nodes-1a", "Node"), ("control-plane-1a", "ControlPlane")] {
            l.push(name, json!({"name": name, "role": role}), [name.into(), role.into()]);
        }
        l
    }

    fn printed(listing: &Listing, output: Output) -> (String, String) {
        let (ui, out, err) = Ui::captured();
        ui.listing(listing, output).unwrap();
        (out.take(), err.take())
    }

    /// One push gives every form.
    #[test]
    fn every_form_of_the_same_data() {
        insta::assert_snapshot!(printed(&groups(), Output::Table).0, @r"
        NAME               ROLE
        nodes-1a           Node
        control-plane-1a   ControlPlane
        ");
        insta::assert_snapshot!(printed(&groups(), Output::Json).0, @r#"
        {
          "formatVersion": "1.0",
          "items": [
            {
              "name": "nodes-1a",
              "role": "Node"
            },
            {
              "name": "control-plane-1a",
              "role": "ControlPlane"
            }
          ]
        }
        "#);
        insta::assert_snapshot!(printed(&groups(), Output::Yaml).0, @r"
        formatVersion: '1.0'
        items:
        - name: nodes-1a
          role: Node
        - name: control-plane-1a
          role: ControlPlane
        ");
        insta::assert_snapshot!(printed(&groups(), Output::Name).0, @r"
        nodes-1a
        control-plane-1a
        ");
    }

    /// Specs come out as the texts they are, one document after the other.
    #[test]
    fn specs_are_printed_verbatim() {
        let specs = groups().manifests(["---\na: 1 # mine\n".to_owned(), "b: 2\n".to_owned()]);
        assert_eq!(printed(&specs, Output::Yaml).0, "a: 1 # mine\n---\nb: 2\n");
    }

    /// Nothing is an empty stdout for pipes, and a word on stderr for people; JSON stays a document.
    #[test]
    fn nothing_is_said_on_stderr() {
        let none = Listing::new("instance groups", [Column::new("name")]);
        assert_eq!(printed(&none, Output::Table), (String::new(), "No instance groups.\n".to_owned()));
        assert!(printed(&none, Output::Json).0.contains("\"items\": []"));
    }
}
