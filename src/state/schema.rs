//! The version of what kspot writes into a store: an older kspot that meets a newer version reads and does not write.

use serde::Deserialize;

use crate::error::{Error, Result};

/// The version that this kspot writes; raised when an older kspot would damage what a newer one wrote.
pub const CURRENT: u32 = 1;

/// The version that a JSON document says it has, even if nothing else in it can be understood.
pub(super) fn of_document(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    serde_json::from_slice::<Versioned>(bytes).ok().map(|v| v.schema)
}

/// Refuses to write beside documents of a newer version.
pub fn require_writable(found: u32, cluster: &str) -> Result<()> {
    if found <= CURRENT {
        return Ok(());
    }
    Err(Error::failed(format!(
        "cluster {cluster} was written by a newer kspot (store schema {found}, this one knows {CURRENT}): it can be \
         read but not changed"
    ))
    .hint("update kspot to at least the version that `kspot history` shows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newer document is recognised by its version alone and blocks writing; ours and older ones do not.
    #[test]
    fn newer_documents_are_read_only() {
        assert_eq!(of_document(br#"{"schema": 9, "head": "of a shape unknown today"}"#), Some(9));
        assert_eq!(of_document(b"{"), None);
        assert!(require_writable(CURRENT, "c").is_ok());
        assert!(require_writable(CURRENT + 1, "c").unwrap_err().message().contains("newer kspot"));
    }
}
