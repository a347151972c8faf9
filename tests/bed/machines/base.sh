#!/usr/bin/env bash
# Builds the root that every instance of the bed starts from: what a stock cloud image of Debian 12 holds, and nothing of Kubernetes.
#
#   base.sh DIRECTORY
#
# Debian 12 because its systemd is the last that runs on cgroup v1 without being asked to, and its runc needs no newer libc.
set -euo pipefail
directory=$1
files=$(cd "$(dirname "$0")" && pwd)/image
mirror=${KSPOT_BED_MIRROR:-http://deb.debian.org/debian}

# cloud-init is not among them: debootstrap does not resolve its dependencies, apt does.
packages=(
  systemd systemd-sysv dbus udev kmod procps netbase ifupdown iproute2 iputils-ping iptables nftables conntrack ipset ethtool
  socat ca-certificates curl openssl python3 jq less e2fsprogs util-linux zstd xz-utils
)

rm -rf "$directory"
debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" bookworm "$directory" "$mirror"
chroot "$directory" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cloud-init
rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/*

cp -a --no-preserve=ownership "$files/." "$directory/"
chmod 0755 "$directory"/usr/local/bin/*

# An image is nobody yet: identity is made at first boot.
: >"$directory/etc/machine-id"
rm -f "$directory/etc/hostname" "$directory/var/lib/dbus/machine-id"
# The address is there before the machine boots; cloud-init would ask for one by DHCP, which nobody answers.
rm "$directory/usr/sbin/dhclient"

# Log-ins, timers and mounts that would act on this machine rather than on the instance.
for unit in console-getty.service getty@tty1.service networking.service apt-daily.timer apt-daily-upgrade.timer \
  e2scrub_all.timer fstrim.timer sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount; do
  ln -sf /dev/null "$directory/etc/systemd/system/$unit"
done

# The kernel here has everything built in and no /lib/modules: modprobe must find that out.
modules=$directory/usr/lib/modules/$(uname -r)
mkdir -p "$modules"
for module in overlay br_netfilter nf_conntrack nf_nat nf_tables ip_tables ip6_tables iptable_nat iptable_filter xt_conntrack vxlan veth bridge tun loop ext4; do
  echo "kernel/bed/$module.ko"
done >"$modules/modules.builtin"
: >"$modules/modules.order"
chroot "$directory" depmod "$(uname -r)"
