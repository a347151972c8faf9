use proptest::prelude::*;

use super::*;

fn key(n: i64) -> Key {
    Key {
        created: Timestamp::from_second(n).unwrap(),
        public: format!("public {n}"),
        private: PrivateKey::Plain(format!("private {n}")),
        distrusted: None,
    }
}

fn states(set: &Keyset) -> Vec<(String, &'static str)> {
    set.keys().map(|(id, state, _)| (id.to_owned(), state.as_str())).collect()
}

/// Rotation: create (trusted), promote (signs), distrust (gone from the trusted ones); the signer is named first.
#[test]
fn a_key_is_replaced_in_two_phases() {
    let mut set = Keyset::new(key(1));
    assert_eq!(set.trusted(), "public 1\n");
    let new = set.create(key(2));
    assert_eq!(set.trusted(), "public 1\npublic 2\n");
    assert_eq!(set.promote(None).unwrap(), new);
    assert_eq!(set.trusted(), "public 2\npublic 1\n");
    assert_eq!(set.distrust(None, Timestamp::from_second(9).unwrap()).unwrap(), ["0001"]);
    assert_eq!(set.trusted(), "public 2\n");
    assert_eq!(states(&set), [("0001".to_owned(), "distrusted"), ("0002".to_owned(), "primary")]);
}

/// The key that signs can't be distrusted, a distrusted one can't sign, and an unknown one is named.
#[test]
fn steps_out_of_order_are_refused() {
    let mut set = Keyset::new(key(1));
    assert!(set.promote(None).unwrap_err().message().contains("signs already"));
    assert!(set.distrust(None, Timestamp::UNIX_EPOCH).is_err());
    assert!(set.distrust(Some("0001"), Timestamp::UNIX_EPOCH).unwrap_err().message().contains("can't be distrusted"));
    assert!(set.promote(Some("0009")).unwrap_err().message().contains("no key 0009"));
    set.create(key(2));
    set.promote(None).unwrap();
    set.distrust(None, Timestamp::UNIX_EPOCH).unwrap();
    assert!(set.promote(Some("0001")).unwrap_err().message().contains("distrusted"));
}

proptest! {
    /// Whatever is tried in whatever order, exactly one key signs, and it is trusted.
    #[test]
    fn somebody_always_signs(steps in prop::collection::vec((0..3u8, 0..4u32), 0..20)) {
        let mut set = Keyset::new(key(0));
        for (n, (step, which)) in steps.into_iter().enumerate() {
            let wanted = (which > 0).then(|| id(which));
            match step {
                0 => drop(set.create(key(n as i64))),
                1 => drop(set.promote(wanted.as_deref())),
                _ => drop(set.distrust(wanted.as_deref(), Timestamp::UNIX_EPOCH)),
            }
            prop_assert_eq!(set.keys().filter(|(_, state, _)| *state == State::Primary).count(), 1);
            let (_, primary) = set.primary().unwrap();
            prop_assert!(set.trusted().starts_with(&primary.public));
        }
    }
}
