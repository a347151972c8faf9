//! Sums of what is kept, sent and fetched, as text in lower-case hex.

use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

/// How much of a file is in memory at once.
const PIECE: usize = 1 << 20;

/// The sha256 of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// The sha256 of a file, however large.
pub fn sha256_of(file: &Path) -> std::io::Result<String> {
    let mut input = std::fs::File::open(file)?;
    let mut sum = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    loop {
        match input.read(&mut piece)? {
            0 => return Ok(hex(sum.finish().as_ref())),
            n => sum.update(&piece[..n]),
        }
    }
}

/// The bytes that a text in hex stands for; none if it is not hex.
pub fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of FIPS 180-2's example, from memory and from a file that is larger than a piece.
    #[test]
    fn sums_are_right() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let directory = tempfile::tempdir().unwrap();
        let (file, content) = (directory.path().join("large"), vec![7; PIECE + 1]);
        std::fs::write(&file, &content).unwrap();
        assert_eq!(sha256_of(&file).unwrap(), sha256(&content));
        assert!(sha256_of(&directory.path().join("none")).is_err());
    }

    /// Hex is read back; what is none is not half read.
    #[test]
    fn hex_is_read() {
        assert_eq!(bytes("00ff7A"), Some(vec![0, 255, 0x7a]));
        assert_eq!(bytes(""), Some(Vec::new()));
        for odd in ["0", "0g", "é", "+1"] {
            assert_eq!(bytes(odd), None, "{odd}");
        }
    }
}
