"""A control plane on loopback that has a cluster's own keys: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

    plane.py --program PATH --keys FILE --cluster NAME --directory DIR [--audit] [--only-api]

FILE is the object pki/keysets of the state store. Prints "listening https://127.0.0.1:PORT" once the API is ready, and ends
when its standard input does. With --audit every request is a line of DIR/audit.log; --only-api leaves the controllers out. On AWS the control-plane machines do this; here one process stands for all of them.
"""

import argparse
import datetime
import ipaddress
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Keys:
    """The cluster's authorities, and certificates that they sign."""

    def __init__(self, keysets: dict, directory: pathlib.Path):
        self.directory = directory
        self.pairs = {}
        for name, keyset in keysets["keysets"].items():
            key = keyset["keys"][keyset["primary"]]
            self.pairs[name] = (key["public"], key["private"]["plain"])
            self.write(name, *self.pairs[name])

    def write(self, name: str, public: str, private: str) -> None:
        (self.directory / f"{name}.crt").write_text(public)
        path = self.directory / f"{name}.key"
        path.touch(mode=0o600)
        path.write_text(private)

    def issue(self, authority: str, file: str, name: str, group: str | None = None, names: tuple[str, ...] = ()) -> None:
        public, private = self.pairs[authority]
        issuer = x509.load_pem_x509_certificate(public.encode())
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        signer = serialization.load_pem_private_key(private.encode(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=24))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
        )
        if names:
            alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        certificate = builder.sign(signer, hashes.SHA256())
        self.write(
            file,
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Plane:
    def __init__(self, options: argparse.Namespace):
        self.program, self.directory = options.program, pathlib.Path(options.directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.keys = Keys(json.loads(pathlib.Path(options.keys).read_text()), self.directory)
        self.cluster, self.port = options.cluster, free_port()
        self.audited, self.only_api = options.audit, options.only_api
        self.children: list[subprocess.Popen] = []
        internal = f"api.internal.{self.cluster}"
        local = ("127.0.0.1", "localhost")
        self.keys.issue("kubernetes-ca", "apiserver", "kube-apiserver", names=(*local, internal))
        self.keys.issue("kubernetes-ca", "plane", "kspot:plane", "system:masters")
        self.keys.issue("etcd-ca", "etcd", "etcd", names=local)
        self.keys.issue("etcd-ca", "etcd-client", "kube-apiserver")
        self.keys.issue("front-proxy-ca", "front-proxy", "front-proxy-client")
        for component in ("kube-controller-manager", "kube-scheduler"):
            self.keys.issue("kubernetes-ca", component, f"system:{component}")
            (self.directory / f"{component}.conf").write_text(json.dumps(self.kubeconfig(component)))

    def file(self, name: str) -> str:
        return str(self.directory / name)

    def kubeconfig(self, user: str) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": self.url, "certificate-authority": self.file("kubernetes-ca.crt")}}
            ],
            "users": [
                {"name": "u", "user": {"client-certificate": self.file(f"{user}.crt"), "client-key": self.file(f"{user}.key")}}
            ],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self, name: str, *flags: str) -> None:
        log = open(self.directory / f"{name}.log", "wb")
        self.children.append(
            subprocess.Popen([self.program, name, *flags], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.directory)
        )

    def run(self) -> None:
        etcd = free_port()
        self.start(
            "etcd",
            f"--data-dir={self.file('etcd')}",
            f"--listen-client-urls=https://127.0.0.1:{etcd}",
            f"--advertise-client-urls=https://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{free_port()}",
            f"--trusted-ca-file={self.file('etcd-ca.crt')}",
            f"--cert-file={self.file('etcd.crt')}",
            f"--key-file={self.file('etcd.key')}",
            "--client-cert-auth=true",
            "--unsafe-no-fsync=true",
            "--log-level=error",
        )
        self.start(
            "kube-apiserver",
            f"--etcd-servers=https://127.0.0.1:{etcd}",
            f"--etcd-cafile={self.file('etcd-ca.crt')}",
            f"--etcd-certfile={self.file('etcd-client.crt')}",
            f"--etcd-keyfile={self.file('etcd-client.key')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.file('apiserver.crt')}",
            f"--tls-private-key-file={self.file('apiserver.key')}",
            f"--client-ca-file={self.file('kubernetes-ca.crt')}",
            f"--requestheader-client-ca-file={self.file('front-proxy-ca.crt')}",
            f"--proxy-client-cert-file={self.file('front-proxy.crt')}",
            f"--proxy-client-key-file={self.file('front-proxy.key')}",
            f"--service-account-key-file={self.file('service-account.crt')}",
            f"--service-account-signing-key-file={self.file('service-account.key')}",
            f"--service-account-issuer=https://api.internal.{self.cluster}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--service-cluster-ip-range=100.64.0.0/13",
            *self.audit(),
        )
        self.wait("/readyz")
        if self.only_api:
            return
        self.start(
            "kube-controller-manager",
            f"--kubeconfig={self.file('kube-controller-manager.conf')}",
            f"--service-account-private-key-file={self.file('service-account.key')}",
            f"--root-ca-file={self.file('kubernetes-ca.crt')}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        )
        self.start(
            "kube-scheduler",
            f"--kubeconfig={self.file('kube-scheduler.conf')}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        )
        # The controllers are up when they have made what each namespace gets.
        self.wait("/api/v1/namespaces/kube-system/serviceaccounts/default")

    def audit(self) -> list[str]:
        if not self.audited:
            return []
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}], "omitStages": ["RequestReceived"]}
        (self.directory / "policy.yaml").write_text(json.dumps(policy))
        return [f"--audit-policy-file={self.file('policy.yaml')}", f"--audit-log-path={self.file('audit.log')}"]

    def wait(self, path: str) -> None:
        """Polls until the path is there: the servers have no way to tell that they came up."""
        tls = ssl.create_default_context(cafile=self.file("kubernetes-ca.crt"))
        tls.load_cert_chain(self.file("plane.crt"), self.file("plane.key"))
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(self.url + path, context=tls, timeout=5):
                    return
            except (urllib.error.URLError, OSError) as error:
                reason = error
            if time.monotonic() > deadline or any(child.poll() is not None for child in self.children):
                logs = [log.name + ":\n" + log.read_text()[-2000:] for log in sorted(self.directory.glob("*.log"))]
                sys.exit(f"{path}: {reason}\n" + "\n".join(logs))
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("program", "keys", "cluster", "directory"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("audit", "only-api"):
        parser.add_argument(f"--{name}", action="store_true")
    plane = Plane(parser.parse_args())
    plane.run()
    print(f"listening {plane.url}", flush=True)
    while os.read(0, 4096):
        pass
    for child in reversed(plane.children):
        child.kill()


if __name__ == "__main__":
    main()
