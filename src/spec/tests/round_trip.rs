use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::spec::object::Kind;
use crate::spec::parse::{parse, typed};
use crate::spec::print::to_yaml;
use crate::spec::shape::Shape;

/// Words that YAML readers like to take for something else, and words that are quite free.
fn text() -> BoxedStrategy<String> {
    let tricky = [
        "",
        "true",
        "no",
        "~",
        "null",
        "1.10",
        "0x1F",
        "1e3",
        "- a",
        "a: b",
        "# c",
        "'",
        "\"",
        "2026-01-01",
        "é☃",
        ".inf",
        "=",
        "<<",
    ];
    prop_oneof![prop::sample::select(tricky.to_vec()).prop_map(str::to_owned), "[a-z0-9./-]{1,12}", "\\PC{0,12}"]
        .boxed()
}

fn formatted(format: &str) -> BoxedStrategy<String> {
    let of = |values: &[&str]| prop::sample::select(values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()).boxed();
    match format {
        "quantity" => (1..5000u32, prop::sample::select(vec!["m", "", "k", "Mi", "Gi", "n"]))
            .prop_map(|(n, unit)| format!("{n}{unit}"))
            .boxed(),
        "duration" => (0..1_000_000_000_000_000i64).prop_map(|n| format!("{n}ns")).boxed(),
        "int-or-percent" => of(&["0", "3", "25%"]),
        "ipv4-cidr" => (any::<u32>(), 8..=28u8)
            .prop_map(|(ip, len)| ipnet::Ipv4Net::new_assert(ip.into(), len).trunc().to_string())
            .boxed(),
        "ipv6-cidr" => of(&["/64#0", "/64#ff", "2001:db8::/64"]),
        "access-source" => of(&["0.0.0.0/0", "::/0", "pl-0123456789abcdef0", "10.1.0.0/16"]),
        "ipv4" => of(&["10.0.0.1", "169.254.20.10"]),
        "kubernetes-version" => of(&["1.36.4", "v1.33.0"]),
        "taint" => of(&["a=b:NoSchedule", "a:NoExecute", "x.io/y=:PreferNoSchedule"]),
        "date-time" => of(&["2026-01-31T12:00:00Z", "1999-12-31T23:59:59.5Z"]),
        other => panic!("no generator for the format {other}"),
    }
}

/// Any JSON value of a shape.
fn value(shape: &'static Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Block(fields) => {
            let one = |field: &'static crate::spec::shape::Field| {
                let value = value(&field.shape);
                let value = match field.required {
                    true => value.prop_map(Some).boxed(),
                    false => prop::option::weighted(0.25, value).boxed(),
                };
                value.prop_map(|v| v.map(|v| (field.name.clone(), v))).boxed()
            };
            let fields: Vec<_> = fields.iter().map(one).collect();
            fields.prop_map(|all| Value::Object(all.into_iter().flatten().collect::<Map<_, _>>())).boxed()
        }
        Shape::Map(of) => prop::collection::btree_map(text(), value(of), 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed(),
        Shape::List(of) => prop::collection::vec(value(of), 0..3).prop_map(Value::Array).boxed(),
        Shape::Choice(words) => prop::sample::select(words.clone()).prop_map(|(word, _)| Value::String(word)).boxed(),
        Shape::Text { format: Some(format), .. } => formatted(format).prop_map(Value::String).boxed(),
        Shape::Text { format: None, .. } => text().prop_map(Value::String).boxed(),
        Shape::Integer { min, max } => (*min..=*max).prop_map(Value::from).boxed(),
        Shape::Number => (-1e6..1e6f64).prop_map(Value::from).boxed(),
        Shape::Flag => any::<bool>().prop_map(Value::Bool).boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every cluster that can be said prints as a text that reads back as the same cluster.
    #[test]
    fn printing_and_parsing_a_cluster_are_inverse(value in value(Shape::of(Kind::Cluster))) {
        let object = typed(Kind::Cluster, value).unwrap();
        let text = to_yaml(&object);
        prop_assert_eq!(parse(&text, "f").map_err(|p| p.to_string()), Ok(vec![object]), "{}", text);
    }

    /// The same for instance groups.
    #[test]
    fn printing_and_parsing_a_group_are_inverse(value in value(Shape::of(Kind::InstanceGroup))) {
        let object = typed(Kind::InstanceGroup, value).unwrap();
        let text = to_yaml(&object);
        prop_assert_eq!(parse(&text, "f").map_err(|p| p.to_string()), Ok(vec![object]), "{}", text);
    }

    /// No text whatever makes the reader panic.
    #[test]
    fn any_text_is_answered(text in "(\\PC|[\n :{}\\[\\]&*#\"'-]){0,80}") {
        let _ = parse(&text, "f");
    }
}
