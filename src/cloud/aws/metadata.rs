//! What a machine knows of itself: the metadata service, version 2.

use std::net::IpAddr;
use std::time::Duration;

use aws_config::imds::client::{Builder, Client};

use crate::error::{Error, Result};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The instance id.
    pub instance: String,
    /// The availability zone.
    pub zone: String,
    /// The primary private address.
    pub address: IpAddr,
    /// `spot` or `on-demand`.
    pub lifecycle: String,
    /// The instance type.
    pub instance_type: String,
}

/// Asks the metadata service.
pub async fn metadata() -> Result<Metadata> {
    told(&client().build()).await
}

fn client() -> Builder {
    Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(10))
}

async fn told(client: &Client) -> Result<Metadata> {
    let ask = async |path: &str| -> Result<String> {
        let answer = client.get(format!("/latest/meta-data/{path}")).await;
        let failed = |e| Error::failed(format!("the metadata service does not tell {path}")).because(e);
        Ok(answer.map_err(failed)?.as_ref().trim().to_owned())
    };
    let address = ask("local-ipv4").await?;
    let odd = |e| Error::failed(format!("the metadata service tells the address {address:?}")).because(e);
    Ok(Metadata {
        instance: ask("instance-id").await?,
        zone: ask("placement/availability-zone").await?,
        lifecycle: ask("instance-life-cycle").await?,
        instance_type: ask("instance-type").await?,
        address: address.parse().map_err(odd)?,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A metadata service on loopback, which answers each path.
    fn service(answer: impl Fn(&str) -> (u16, &'static str) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut piece = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut piece).unwrap_or(0) {
                        0 => break,
                        n => request.extend_from_slice(&piece[..n]),
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = if path.ends_with("/api/token") { (200, "token") } else { answer(&path) };
                let head = format!(
                    "HTTP/1.1 {status} x\r\nx-aws-ec2-metadata-token-ttl-seconds: 300\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who asked may have gone.
                let _ = stream.write_all(head.as_bytes());
            }
        });
        url
    }

    async fn told_by(url: &str) -> Result<Metadata> {
        told(&client().endpoint(url).unwrap().build()).await
    }

    /// A machine knows what it is; a service that refuses, or tells something odd, is said to, with what it was asked.
    #[tokio::test]
    async fn the_metadata_service() {
        let known = |path: &str| match path.rsplit('/').next().unwrap_or_default() {
            "local-ipv4" => (200, "172.20.0.5"),
            "instance-id" => (200, "i-0123456789abcdef0"),
            "availability-zone" => (200, "us-east-1a"),
            "instance-life-cycle" => (200, "spot"),
            "instance-type" => (200, "m5.large"),
            _ => (404, ""),
        };
        let told = told_by(&service(known)).await.unwrap();
        assert_eq!((told.instance.as_str(), told.lifecycle.as_str()), ("i-0123456789abcdef0", "spot"));
        let refuses = service(move |path| if path.ends_with("availability-zone") { (403, "") } else { known(path) });
        let why = told_by(&refuses).await.unwrap_err().chain();
        assert!(why.contains("the metadata service does not tell placement/availability-zone"), "{why}");
        let odd = service(move |path| if path.ends_with("local-ipv4") { (200, "none") } else { known(path) });
        let why = told_by(&odd).await.unwrap_err().chain();
        assert!(why.contains("tells the address \"none\""), "{why}");
    }
}
