//! The spot advisor's file: how often spot instances of a type were interrupted in the last month, in five bands.
//!
//! The file is public (`spot-advisor-data.json`), covers a region rather than a zone, and is never fetched here.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The bands of all regions, Linux only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisor {
    bands: BTreeMap<String, BTreeMap<String, Band>>,
}

/// How often spot instances of a type were interrupted within a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub enum Band {
    /// Less than 5 %.
    Under5,
    /// 5 to 10 %.
    Under10,
    /// 10 to 15 %.
    Under15,
    /// 15 to 20 %.
    Under20,
    /// More than 20 %.
    Above20,
}

impl Band {
    const ALL: [Band; 5] = [Band::Under5, Band::Under10, Band::Under15, Band::Under20, Band::Above20];

    /// The upper end of the band in percent.
    pub fn ceiling_percent(self) -> u8 {
        [5, 10, 15, 20, 100][self as usize]
    }

    /// A number from 0 (seldom) to 4 (often).
    pub fn index(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["<5 %", "5-10 %", "10-15 %", "15-20 %", ">20 %"][*self as usize])
    }
}

impl From<Band> for String {
    fn from(band: Band) -> String {
        band.to_string()
    }
}

/// The parts of the file that are read.
#[derive(Deserialize)]
struct File {
    spot_advisor: BTreeMap<String, Systems>,
}

#[derive(Deserialize)]
struct Systems {
    #[serde(rename = "Linux", default)]
    linux: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
struct Row {
    r: usize,
}

impl Advisor {
    /// Reads the text of the file. `from` names it in errors.
    pub fn parse(text: &str, from: &str) -> Result<Advisor> {
        let file: File = serde_json::from_str(text).map_err(|e| {
            Error::failed(format!("{from} is not a spot advisor file")).because(e).hint(
                "it is the JSON that AWS publishes as spot-advisor-data.json, with a key spot_advisor on the first level",
            )
        })?;
        let mut bands = BTreeMap::new();
        for (region, systems) in file.spot_advisor {
            let rows: &mut BTreeMap<String, Band> = bands.entry(region).or_default();
            for (name, Row { r }) in systems.linux {
                let band = Band::ALL.get(r).ok_or_else(|| {
                    Error::failed(format!("{from}: {name} has the unknown interruption band {r}, bands are 0 to 4"))
                })?;
                rows.insert(name, *band);
            }
        }
        Ok(Advisor { bands })
    }

    /// The band of a type in a region, if the file has it.
    pub fn band(&self, region: &str, instance_type: &str) -> Option<Band> {
        self.bands.get(region)?.get(instance_type).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published form is read; an unknown band or another file is an error that says which.
    #[test]
    fn advisor_file_is_read() {
        let text = r#"{"ranges":[],"spot_advisor":{"eu-west-1":{"Linux":{"m5.large":{"s":70,"r":1}},"Windows":{}}}}"#;
        let advisor = Advisor::parse(text, "f.json").unwrap();
        assert_eq!(advisor.band("eu-west-1", "m5.large"), Some(Band::Under10));
        assert_eq!(advisor.band("eu-west-1", "m6i.large"), None);
        assert_eq!(Band::Above20.ceiling_percent(), 100);
        let bad = text.replace("\"r\":1", "\"r\":9");
        assert!(Advisor::parse(&bad, "f.json").unwrap_err().message().contains("m5.large"));
        assert!(Advisor::parse("[]", "f.json").unwrap_err().message().starts_with("f.json"));
    }
}
