//! The parts of AWS that know nothing of each other. Pure.

/// The partition of a region.
pub fn of_region(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The last part of a partition's host names.
pub fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// China has an AWS of its own, with names of its own; the American government has one with the same names.
    #[test]
    fn partitions() {
        let of = |region| (of_region(region), dns_suffix(of_region(region)));
        assert_eq!(of("eu-west-1"), ("aws", "amazonaws.com"));
        assert_eq!(of("cn-north-1"), ("aws-cn", "amazonaws.com.cn"));
        assert_eq!(of("us-gov-west-1"), ("aws-us-gov", "amazonaws.com"));
    }
}
