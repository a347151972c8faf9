"""How a command on this machine reaches what is in the bed."""

from machines import places

# In a mount namespace of its own, in which /etc/resolv.conf names the bed's resolver.
_SCRIPT = 'mount --bind "$0" /etc/resolv.conf && . "$1" && shift && exec "$@"'


def outside(*command: str) -> list[str]:
    """The command line that runs a command here, with the AWS environment of an account in the bed and with the bed's names."""
    return ["unshare", "--mount", "sh", "-c", _SCRIPT, str(places.RESOLVER), str(places.ENVIRONMENT), *command]
