use super::*;

fn open() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::open(dir.path()).unwrap();
    (dir, store)
}

/// No key reaches outside the directory, nor the store's own files.
#[tokio::test]
async fn keys_stay_inside() {
    let (_dir, store) = open();
    for key in ["../x", "/etc/x", "a//b", "a/./b", ".kspot-lock", "a/.kspot-tmp-1"] {
        assert!(store.get(key).await.is_err(), "{key}");
        assert!(store.put(key, b"", Precondition::None).await.is_err(), "{key}");
    }
}

/// A store that is not there is named, with the command that makes it.
#[test]
fn missing_directory_has_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("gone");
    let e = Directory::open(&missing).unwrap_err();
    assert!(e.message().ends_with("gone does not exist"), "{e}");
    assert!(e.hints()[0].starts_with("kspot create state-store file:///"));
    Directory::create(&missing).unwrap();
    Directory::open(&missing).unwrap().delete().unwrap();
    assert!(!missing.exists());
}

/// A write that fails leaves the old content, and no temporary file; the message says so.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn full_disk_leaves_nothing_half_written() {
    let (dir, store) = open();
    store.put("c/config", b"old", Precondition::None).await.unwrap();
    // A directory where the object's file must go makes the last step, the rename, fail.
    std::fs::create_dir_all(dir.path().join("c/blocked/inside")).unwrap();
    let Err(PutError::Failed(e)) = store.put("c/blocked", b"new", Precondition::None).await else { panic!("written") };
    assert!(e.message().ends_with("nothing was changed"), "{e}");
    let names: Vec<_> = read_directory(&dir.path().join("c")).unwrap();
    assert_eq!(names, [("blocked".to_owned(), true), ("config".to_owned(), false)]);
    let raw = std::fs::read_dir(dir.path().join("c")).unwrap().count();
    assert_eq!(raw, 2, "a temporary file was left");
    let e = failure("write", Path::new("/s/c/config"), io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(e.message(), "can't write /s/c/config: the disk is full; nothing was changed");
}

/// Files of the store are readable by their owner only.
#[cfg(unix)]
#[tokio::test]
async fn private_keys_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = open();
    store.put("c/pki/ca", b"key", Precondition::None).await.unwrap();
    let mode = |p: &str| std::fs::metadata(dir.path().join(p)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("c/pki/ca"), mode("c/pki")), (0o600, 0o700));
}
