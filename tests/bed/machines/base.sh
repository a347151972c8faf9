#!/usr/bin/env bash
# Builds the root that instances of the bed start from: what a stock cloud image of Debian holds, and nothing of Kubernetes.
#
#   base.sh DIRECTORY SUITE     SUITE is bookworm (12) or trixie (13)
set -euo pipefail
directory=$1 suite=$2
files=$(cd "$(dirname "$0")" && pwd)/image
mirror=${KSPOT_BED_MIRROR:-http://deb.debian.org/debian}

# cloud-init is not among them: debootstrap does not resolve its dependencies, apt does. libfaketime is no part of an image: with it
# the end-to-end test makes clocks wrong.
packages=(
  systemd systemd-sysv dbus udev kmod procps netbase ifupdown iproute2 iputils-ping iptables nftables conntrack ipset ethtool
  socat ca-certificates curl openssl python3 jq less e2fsprogs util-linux zstd xz-utils libfaketime
)

rm -rf "$directory"
debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$directory" "$mirror"
chroot "$directory" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cloud-init
rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/*

cp -a --no-preserve=ownership "$files/." "$directory/"
chmod 0755 "$directory"/usr/local/bin/*

# An image is nobody yet: identity is made at first boot.
: >"$directory/etc/machine-id"
rm -f "$directory/etc/hostname" "$directory/var/lib/dbus/machine-id"
# The address is there before the machine boots; cloud-init would ask for one by DHCP, which nobody answers.
rm -f "$directory"/usr/sbin/{dhclient,dhcpcd}

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
