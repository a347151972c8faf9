//! Against an HTTP server on loopback, and real files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::node::agent::step::tests::quiet;
use crate::node::host::machine::Machine;

/// Serves files; breaks off after so many bytes of a body, once for each entry of `cuts`.
struct Mirror {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn mirror(files: BTreeMap<&'static str, Vec<u8>>, cuts: Vec<usize>) -> Mirror {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, cuts) = (Arc::clone(&asked), Arc::new(Mutex::new(cuts)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            let first = lines.next_line().await.unwrap().unwrap();
            let mut from = None;
            while let Some(line) = lines.next_line().await.unwrap().filter(|l| !l.is_empty()) {
                let line = line.to_lowercase();
                let range = line.strip_prefix("range: bytes=").and_then(|r| r.strip_suffix('-'));
                from = range.map(|r| r.parse::<usize>().unwrap()).or(from);
            }
            let path = first.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            log.lock().unwrap().push(format!("{path} {}", from.unwrap_or(0)));
            let Some(file) = files.get(path.as_str()) else {
                writer
                    .write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                    .await
                    .unwrap();
                continue;
            };
            let body = &file[from.unwrap_or(0)..];
            let status = if from.is_some() { "206 Partial Content" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            writer.write_all(head.as_bytes()).await.unwrap();
            let cut = cuts.lock().unwrap().pop().unwrap_or(body.len()).min(body.len());
            // The client may be gone already.
            let _ = writer.write_all(&body[..cut]).await;
        }
    });
    Mirror { url, asked }
}

fn asset(mirror: &Mirror, name: &str, path: &str, checksum: Checksum) -> Asset {
    Asset { name: name.into(), url: format!("{}/{path}", mirror.url), checksum }
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Not `set_path`, which refuses what an attacker would write.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn sum(bytes: &[u8]) -> Checksum {
    Checksum::Sha256(sha256(bytes))
}

/// Programs and archives are in their places and can be run; a second boot asks for nothing.
#[tokio::test]
async fn files_get_into_their_places() {
    let tgz = archive(&[("bin/containerd", b"c"), ("bin/../../evil", b"e"), ("bin/deep/x", b"d"), ("LICENSE", b"l")]);
    let files = BTreeMap::from([
        ("kubelet", b"kubelet".to_vec()),
        ("c.tgz", tgz.clone()),
        ("c.sums", format!("{}  other.tgz\n{}  c.tgz\n", "0".repeat(64), sha256(&tgz)).into_bytes()),
    ]);
    let mirror = mirror(files, Vec::new()).await;
    let root = tempfile::tempdir().unwrap();
    let assets = vec![
        asset(&mirror, "kubelet", "kubelet", sum(b"kubelet")),
        asset(&mirror, "containerd", "c.tgz", Checksum::Sha256Url(format!("{}/c.sums", mirror.url))),
    ];
    let step = Downloads { assets, root: root.path().into() };
    assert!(!step.is_done(&Machine).await.unwrap());
    step.act(&Machine, &quiet()).await.unwrap();
    assert!(step.is_done(&Machine).await.unwrap());
    use std::os::unix::fs::PermissionsExt;
    let kubelet = root.path().join("usr/local/bin/kubelet");
    assert_eq!(std::fs::metadata(kubelet).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read(root.path().join("usr/local/bin/containerd")).unwrap(), b"c");
    let programs: Vec<_> = std::fs::read_dir(root.path().join("usr/local/bin")).unwrap().collect();
    assert_eq!(programs.len(), 2, "nothing else: {programs:?}");
    let before = mirror.asked.lock().unwrap().len();
    assert!(step.is_done(&Machine).await.unwrap());
    assert_eq!(mirror.asked.lock().unwrap().len(), before);
}

/// What broke off goes on where it broke off.
#[tokio::test]
async fn a_download_is_resumed() {
    let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let mirror = mirror(BTreeMap::from([("runc", content.clone())]), vec![150_000, 70_000]).await;
    let root = tempfile::tempdir().unwrap();
    let step = Downloads { assets: vec![asset(&mirror, "runc", "runc", sum(&content))], root: root.path().into() };
    let failure = step.act(&Machine, &quiet()).await.unwrap_err();
    assert!(failure.chain().contains("/runc: it broke off"), "{}", failure.chain());
    step.act(&Machine, &quiet()).await.unwrap();
    assert_eq!(std::fs::read(root.path().join("usr/local/sbin/runc")).unwrap(), content);
    assert_eq!(*mirror.asked.lock().unwrap(), ["runc 0", "runc 70000"]);
}

/// A wrong file is named with both sums and thrown away: the next try fetches it anew. A missing one is named, too.
#[tokio::test]
async fn wrong_and_missing_files() {
    let mirror = mirror(BTreeMap::from([("kubelet", b"evil".to_vec())]), Vec::new()).await;
    let root = tempfile::tempdir().unwrap();
    let assets =
        vec![asset(&mirror, "kubelet", "kubelet", sum(b"good")), asset(&mirror, "kubeadm", "nothing", sum(b"good"))];
    let step = Downloads { assets, root: root.path().into() };
    for _ in 0..2 {
        let failure = step.act(&Machine, &quiet()).await.unwrap_err();
        let told = format!("{} {:?}", failure.chain(), failure.details());
        assert!(told.contains(&sha256(b"evil")) && told.contains(&sha256(b"good")), "{told}");
        assert!(told.contains("/nothing: the server answers 404"), "{told}");
    }
    assert!(!root.path().join("usr/local/bin/kubelet").exists());
    assert_eq!(mirror.asked.lock().unwrap().iter().filter(|a| *a == "kubelet 0").count(), 2);
}
