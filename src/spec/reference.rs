//! The reference of the specs: every field of a kind on one page of Markdown, from the types' own comments.

use std::fmt::Write as _;

use super::format::format;
use super::object::Kind;
use super::shape::{Field, Shape};

/// Every field of a kind, a section for each block, in the order of the types.
pub fn reference(kind: Kind) -> String {
    let about = match kind {
        Kind::Cluster => "A Kubernetes cluster on AWS.",
        Kind::InstanceGroup => "A group of like machines.",
    };
    let mut page = format!(
        "# {}\n\n{about} This page is generated: `kspot explain {} --recursive` prints it, `kspot explain {}.PATH` one field.\n",
        kind.as_str(),
        kind.as_str().to_lowercase(),
        kind.as_str().to_lowercase()
    );
    section(&mut page, "", Shape::of(kind));
    page
}

/// The section of a block, then those of the blocks in it.
fn section(page: &mut String, path: &str, shape: &Shape) {
    let Shape::Block(fields) = shape else { return };
    if !path.is_empty() {
        let _ = write!(page, "\n## {path}\n");
    }
    page.push_str("\n| field | type | meaning |\n| --- | --- | --- |\n");
    for field in fields {
        let required = if field.required { " (required)" } else { "" };
        let _ = writeln!(
            page,
            "| `{}` | {}{required} | {} |",
            field.name,
            cell(&field.shape.describe()),
            cell(&meaning(field))
        );
    }
    for field in fields {
        let (inner, marks) = innermost(&field.shape);
        let dot = if path.is_empty() { "" } else { "." };
        section(page, &format!("{path}{dot}{}{marks}", field.name), inner);
    }
}

/// What the field means, how it is written, and its choices.
fn meaning(field: &Field) -> String {
    let mut text = field.doc.clone();
    match innermost(&field.shape).0 {
        Shape::Text { format: Some(name), .. } => {
            if let Some(written) = format(name) {
                let _ = write!(text, " Written as {}.", written.expected);
            }
        }
        Shape::Choice(words) => {
            for (word, doc) in words {
                let _ = write!(text, "<br>`{word}`: {doc}");
            }
        }
        _ => {}
    }
    text
}

/// What lists and maps hold in the end, and how a path shows them.
fn innermost(shape: &Shape) -> (&Shape, String) {
    match shape {
        Shape::List(of) => {
            let (inner, marks) = innermost(of);
            (inner, format!("[]{marks}"))
        }
        Shape::Map(of) => {
            let (inner, marks) = innermost(of);
            (inner, format!(".*{marks}"))
        }
        other => (other, String::new()),
    }
}

/// Text within a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages in docs/reference say what the types say. KSPOT_WRITE_DOCS=1 writes them.
    #[test]
    fn the_pages_are_current() {
        for kind in Kind::ALL {
            let name = format!("docs/reference/{}.md", kind.as_str().to_lowercase());
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
            if std::env::var_os("KSPOT_WRITE_DOCS").is_some() {
                std::fs::write(&path, reference(kind)).unwrap();
            }
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                page == reference(kind),
                "{name} is out of date: KSPOT_WRITE_DOCS=1 cargo test --lib the_pages_are_current"
            );
        }
    }

    /// Every block has a section of its own, under its whole path.
    #[test]
    fn blocks_have_sections() {
        let page = reference(Kind::InstanceGroup);
        assert!(page.contains("\n## spec.mixedInstancesPolicy\n"));
        assert!(page.contains("\n## spec.volumes[]\n"));
        assert!(page.contains("| `machineType` | string |"));
    }
}
