//! How a typed scalar (CIDR, quantity, taint ...) is written as one YAML string: the trait, its serde and its JSON schema.

/// A value that is one string in the spec. Its syntax is checked while parsing, with the position of the text.
pub(crate) trait Scalar: std::str::FromStr<Err = String> + std::fmt::Display {
    /// Name of the syntax, the `format` of its JSON schema.
    const FORMAT: &'static str;
    /// What a correct value looks like, with an example.
    const EXPECTED: &'static str;
    /// Whether a plain number is also accepted (`cpuRequest: 1`).
    const NUMBER_TOO: bool = false;
}

/// Gives a [`Scalar`] type its `Serialize`, `Deserialize` and `JsonSchema`.
macro_rules! scalar {
    ($type:ty, $format:literal, $expected:literal) => {
        $crate::spec::scalar::scalar!($type, $format, $expected, false);
    };
    ($type:ty, $format:literal, $expected:literal, $number_too:literal) => {
        impl $crate::spec::scalar::Scalar for $type {
            const FORMAT: &'static str = $format;
            const EXPECTED: &'static str = $expected;
            const NUMBER_TOO: bool = $number_too;
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::spec::scalar::deserialize(d)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $format.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::spec::scalar::schema::<$type>()
            }
        }
    };
}

pub(crate) use scalar;

/// The JSON schema of a scalar: a string (or number) with its format.
pub(crate) fn schema<T: Scalar>() -> schemars::Schema {
    if T::NUMBER_TOO {
        schemars::json_schema!({ "type": ["string", "number"], "format": T::FORMAT })
    } else {
        schemars::json_schema!({ "type": "string", "format": T::FORMAT })
    }
}

/// Reads a scalar from a string, or from a number where the type allows one.
pub(crate) fn deserialize<'de, T: Scalar, D: serde::Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Text(String),
        Number(serde_json::Number),
    }
    let text = match Raw::deserialize(d)? {
        Raw::Text(text) => text,
        Raw::Number(n) if T::NUMBER_TOO => n.to_string(),
        Raw::Number(n) => return Err(serde::de::Error::custom(format!("{n} is a number, expected {}", T::EXPECTED))),
    };
    text.parse().map_err(serde::de::Error::custom)
}
