"""The VPC's resolver: DNS over UDP and TCP. What it does not know does not exist, and it says so at once."""

import socket
import struct
import threading

from machines import namespaces, places
from machines.names import Names

A, CNAME, PTR, TXT, AAAA = 1, 5, 12, 16, 28
TTL_SECONDS = 5
NO_ERROR, NO_SUCH_NAME = 0, 3


class Resolver:
    def __init__(self, names: Names):
        self.names = names
        self.addresses: set[str] = set()

    def listen(self, addresses: list[str]) -> None:
        """Listens on further addresses of the VPC."""
        for address in addresses:
            if address not in self.addresses:
                self.addresses.add(address)
                datagrams = namespaces.datagrams(places.NETNS, (address, 53))
                threading.Thread(target=self._serve_datagrams, args=(datagrams,), daemon=True).start()
                listener = namespaces.listener(places.NETNS, (address, 53))
                threading.Thread(target=self._serve_connections, args=(listener,), daemon=True).start()

    def _serve_datagrams(self, sock: socket.socket) -> None:
        while True:
            query, client = sock.recvfrom(4096)
            if answer := self.answer(query):
                try:
                    sock.sendto(answer, client)
                except OSError:
                    pass  # the client is gone

    def _serve_connections(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            connection.settimeout(30)
            try:
                while len(length := stream.read(2)) == 2:
                    answer = self.answer(stream.read(int.from_bytes(length, "big"))) or b""
                    stream.write(len(answer).to_bytes(2, "big") + answer)
                    stream.flush()
            except OSError:
                pass

    def answer(self, query: bytes) -> bytes | None:
        """The answer to one query; None to what is no query."""
        try:
            identity, flags, questions = struct.unpack(">3H", query[:6])
            name, end = _read_name(query, 12)
            kind, _ = struct.unpack(">2H", query[end : end + 4])
        except (struct.error, IndexError, UnicodeDecodeError):
            return None
        question = query[12 : end + 4]
        code, data = self._look_up(name.lower(), kind)
        records = b"".join(struct.pack(">3HIH", 0xC00C, kind, 1, TTL_SECONDS, len(d)) + d for d in data)
        # Recursion is available, the answer is authoritative, and the client's wish for recursion is repeated.
        return struct.pack(">6H", identity, 0x8480 | (flags & 0x0100) | code, 1, len(data), 0, 0) + question + records

    def _look_up(self, name: str, kind: int) -> tuple[int, list[bytes]]:
        if kind == PTR and name.endswith(".in-addr.arpa"):
            found = self.names.name_of(".".join(reversed(name.split(".")[:4])))
            return (NO_ERROR, [_write_name(found)]) if found else (NO_SUCH_NAME, [])
        addresses, texts = self.names.addresses(name), self.names.texts(name)
        if addresses is None and not texts:
            return NO_SUCH_NAME, []
        if kind == A:
            return NO_ERROR, [socket.inet_aton(address) for address in addresses or []]
        if kind == TXT:
            return NO_ERROR, [bytes([len(text)]) + text.encode() for text in texts if len(text) < 256]
        return NO_ERROR, []


def _read_name(message: bytes, position: int) -> tuple[str, int]:
    labels = []
    while length := message[position]:
        labels.append(message[position + 1 : position + 1 + length].decode("ascii"))
        position += 1 + length
    return ".".join(labels), position + 1


def _write_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
