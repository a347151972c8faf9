//! The syntaxes that strings of a spec can have, by the name that the JSON schema carries.

use super::duration::GoDuration;
use super::int_or_percent::IntOrPercent;
use super::network::{AccessSource, Ipv4Address, Ipv4Cidr, Ipv6Cidr};
use super::quantity::Quantity;
use super::scalar::Scalar;
use super::taint::Taint;
use super::version::KubernetesVersion;

/// One syntax: how to check a text, and what a correct one looks like.
pub(crate) struct Format {
    name: &'static str,
    check: fn(&str) -> Result<(), String>,
    /// What a correct text looks like, with an example.
    pub(crate) expected: &'static str,
}

impl Format {
    const fn of<T: Scalar>() -> Format {
        Format { name: T::FORMAT, check: |text| text.parse::<T>().map(|_| ()), expected: T::EXPECTED }
    }

    /// What is wrong with a text, if anything.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        (self.check)(text)
    }
}

static FORMATS: [Format; 9] = [
    Format::of::<AccessSource>(),
    Format::of::<GoDuration>(),
    Format::of::<IntOrPercent>(),
    Format::of::<Ipv4Address>(),
    Format::of::<Ipv4Cidr>(),
    Format::of::<Ipv6Cidr>(),
    Format::of::<KubernetesVersion>(),
    Format::of::<Quantity>(),
    Format::of::<Taint>(),
];

static TIMESTAMP: Format = Format {
    name: "date-time",
    check: |text| text.parse::<jiff::Timestamp>().map(|_| ()).map_err(|_| format!("{text:?} is not a time")),
    expected: "a time such as 2026-01-31T12:00:00Z",
};

/// The syntax of this name.
pub(crate) fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().chain([&TIMESTAMP]).find(|f| f.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::object::Kind;
    use super::super::shape::Shape;

    fn formats(shape: &Shape, found: &mut Vec<String>) {
        match shape {
            Shape::Block(fields) => fields.iter().for_each(|f| formats(&f.shape, found)),
            Shape::Map(of) | Shape::List(of) => formats(of, found),
            Shape::Text { format: Some(format), .. } => found.push(format.clone()),
            _ => {}
        }
    }

    /// Every format that a spec's schema names can be checked while parsing.
    #[test]
    fn every_format_of_the_schema_is_known() {
        for kind in Kind::ALL {
            let mut found = Vec::new();
            formats(Shape::of(kind), &mut found);
            assert!(found.len() > 3, "{kind:?} uses {found:?}");
            for name in found {
                assert!(super::format(&name).is_some(), "{name}");
            }
        }
    }
}
