"""The bed's own certificate authority: made at each `up`, trusted by the instances and by nobody else."""

import datetime
import ssl
import tempfile
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from machines import places, roots
from machines.commands import run

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
VALID = datetime.timedelta(days=30)


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("kspot test bed")
        self.certificate = _certificate(self.name, self.name, self.key.public_key(), self.key, [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
            (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
        ])  # fmt: skip
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.minting = threading.Lock()

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def bundle(self) -> bytes:
        """What a root trusts, and the bed."""
        return (roots.path(roots.STAND_IN) / BUNDLE).read_bytes() + self.pem()

    def install(self) -> None:
        """A layer for the instances' roots, in which the trust store has this authority as well: as if it had been
        put into /usr/local/share/ca-certificates and update-ca-certificates been run."""
        source = places.TRUST / "usr/local/share/ca-certificates/kspot-bed.crt"
        store = places.TRUST / "etc/ssl/certs"
        source.parent.mkdir(parents=True, exist_ok=True)
        store.mkdir(parents=True, exist_ok=True)
        source.write_bytes(self.pem())
        (places.TRUST / BUNDLE).write_bytes(self.bundle())
        fingerprint = run("openssl", "x509", "-noout", "-hash", "-in", str(source)).strip()
        for link, target in (("kspot-bed.pem", "/usr/local/share/ca-certificates/kspot-bed.crt"), (f"{fingerprint}.0", "kspot-bed.pem")):
            (store / link).unlink(missing_ok=True)
            (store / link).symlink_to(target)

    def context_for(self, server: str) -> ssl.SSLContext:
        """What a server of this name answers TLS with; its certificate is made when it is first asked for."""
        with self.minting:
            if server not in self.contexts:
                self.contexts[server] = self._context(server)
            return self.contexts[server]

    def _context(self, server: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(_name(server[:64]), self.name, key.public_key(), self.key, [
            (x509.SubjectAlternativeName([x509.DNSName(server)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
        ])  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with tempfile.NamedTemporaryFile(dir=places.STATE) as file:
            Path(file.name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
            context.load_cert_chain(file.name)
        return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(subject, issuer, public_key, signer, extensions) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())
