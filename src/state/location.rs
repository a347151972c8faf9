//! Where a state store is: `s3://bucket[/prefix]` or `file:///dir`.

use std::fmt;
use std::path::{Component, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};

/// The address of a state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A bucket, or a part of one.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Empty, or a prefix without a slash at either end.
        prefix: String,
    },
    /// A directory on this machine.
    Directory(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Location::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Location::Directory(path) => write!(f, "file://{}", path.display()),
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://") {
            Some(("s3", rest)) => s3(text, rest),
            Some(("file", rest)) => directory(text, rest),
            Some((scheme, _)) => Err(refuse(text, format!("{scheme}:// is not supported"))),
            None => Err(bare(text)),
        }
    }
}

fn s3(text: &str, rest: &str) -> Result<Location> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(why) = bucket_name_problem(bucket) {
        return Err(refuse(text, why));
    }
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refuse(text, "the prefix has an empty, `.` or `..` part".into()));
    }
    Ok(Location::S3 { bucket: bucket.into(), prefix: prefix.into() })
}

fn directory(text: &str, rest: &str) -> Result<Location> {
    let path = PathBuf::from(rest);
    if !path.is_absolute() {
        return Err(refuse(text, "a directory's path must be absolute".into())
            .hint(format!("write file:///{} or file://$PWD/{rest}", rest.trim_start_matches("./"))));
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(refuse(text, "the path has a `..` part".into()));
    }
    Ok(Location::Directory(path.components().collect()))
}

/// What S3 would object to in a bucket's name.
fn bucket_name_problem(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let at_ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() {
        Some("the bucket's name is missing".into())
    } else if let Some(c) = name.chars().find(|c| !allowed(*c)) {
        Some(format!("a bucket's name has lower-case letters, digits, `-` and `.` only, not {c:?}"))
    } else if !(3..=63).contains(&name.len()) {
        Some(format!("a bucket's name has 3 to 63 characters, not {}", name.len()))
    } else if !name.starts_with(at_ends) || !name.ends_with(at_ends) || name.contains("..") {
        Some("a bucket's name starts and ends with a letter or digit and has no two dots in a row".into())
    } else {
        None
    }
}

fn refuse(text: &str, why: String) -> Error {
    Error::failed(format!("state store {text:?}: {why}"))
        .hint("a state store is s3://bucket, s3://bucket/prefix or file:///directory")
}

/// A text without a scheme: propose what was probably meant.
fn bare(text: &str) -> Error {
    let e = refuse(text, "s3:// or file:// is missing".into());
    if text.starts_with('/') {
        e.hint(format!("did you mean file://{text}?"))
    } else if bucket_name_problem(text.split('/').next().unwrap_or("")).is_none() {
        e.hint(format!("did you mean s3://{text}?"))
    } else {
        e
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed reads back as the same place, and slashes at the end do not make another one.
    #[test]
    fn addresses_round_trip() {
        for text in ["s3://my-bucket", "s3://my-bucket/a/b", "file:///srv/state"] {
            let parsed: Location = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(format!("{text}/").parse::<Location>().unwrap(), parsed);
        }
    }

    /// A wrong address is refused with the reason, and the near miss is proposed.
    #[test]
    fn wrong_addresses_say_why() {
        let cases = [
            ("my-bucket", "did you mean s3://my-bucket?"),
            ("/srv/state", "did you mean file:///srv/state?"),
            ("file://state", "file:///state"),
        ];
        for (text, hint) in cases {
            let e = text.parse::<Location>().unwrap_err();
            assert!(e.hints().iter().any(|h| h.contains(hint)), "{text}: {:?}", e.hints());
        }
        let cases = [
            ("gs://b", "gs:// is not supported"),
            ("s3://", "name is missing"),
            ("s3://My-Bucket", "not 'M'"),
            ("s3://ab", "3 to 63"),
            ("s3://-abc", "starts and ends"),
            ("s3://abc/../x", "`..` part"),
            ("file:///a/../b", "`..` part"),
        ];
        for (text, why) in cases {
            let e = text.parse::<Location>().unwrap_err();
            assert!(e.message().contains(why), "{text}: {e}");
        }
    }
}
