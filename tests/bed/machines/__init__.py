"""The test bed in which the emulator's instances boot for real, on this machine.

One process (server.py) holds the emulator and a loop (bed.py) that makes this machine look as the emulator says:
  * cloud.py reads what there should be out of the emulator, as plain data; answers.py puts back into it what the bed found out;
  * machine.py boots an instance as systemd in namespaces of its own, volumes.py gives it disks, console.py keeps its console;
  * network.py is the VPC, firewall.py its rules, balancers.py its load balancers, names.py and resolver.py its DNS;
  * metadata.py and imds.py are the metadata service, fronts.py everything that instances reach by TLS;
  * spot.py takes instances away.
docs/testbed.md says how to use it and how it differs from AWS.
"""

import os

# Whoever became root with `su` does not have these in the path, and does not find what is installed.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
