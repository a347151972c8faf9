"""Network namespaces from within one process: sockets that live in another namespace, settings of it."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def entered(netns: str) -> Iterator[None]:
    """Puts this thread, and no other, into a network namespace for a while. What it opens there stays there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(there)
        os.close(home)


def listener(netns: str, address: tuple[str, int], *, link: str | None = None, ttl: int | None = None) -> socket.socket:
    """A TCP socket that listens in a namespace; with a link, only to what comes in by it; with a TTL on all its answers."""
    with entered(netns):
        sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if link:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode() + b"\0")
    if ttl:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    sock.bind(address)
    sock.listen(128)
    return sock


def datagrams(netns: str, address: tuple[str, int]) -> socket.socket:
    """A bound UDP socket in a namespace."""
    with entered(netns):
        sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock


def client(netns: str, source: str) -> socket.socket:
    """An unconnected TCP socket in a namespace, from one of its addresses."""
    with entered(netns):
        sock = socket.socket()
    sock.bind((source, 0))
    return sock


def write_settings(netns: str, settings: dict[str, str]) -> None:
    """Writes net.* sysctls of a namespace, given as paths below /proc/sys/net."""
    with entered(netns):
        for path, value in settings.items():
            with open(f"/proc/sys/net/{path}", "w") as file:
                file.write(value)
