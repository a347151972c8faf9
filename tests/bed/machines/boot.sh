#!/usr/bin/env bash
# Boots a root directory as a machine of its own: systemd as PID 1 in new namespaces.
#
#   boot.sh outside    NAME NETNS ROOT DATA CONSOLE MEMORY_GROUP   control groups, then new namespaces, then:
#   boot.sh inside     ...                                         mounts, then systemd
#
# ROOT is mounted. Directories below DATA go over the same paths of ROOT: a container runtime needs a real file system below it,
# and an overlay is none. CONSOLE is a terminal. MEMORY_GROUP is the caller's own control group for memory.
set -euo pipefail
stage=$1 name=$2 netns=$3 root=$4 data=$5 console=$6 memory_group=$7
controllers=(cpu cpuacct cpuset memory devices freezer blkio pids)

group_of() {
  local base=/sys/fs/cgroup/$1
  [ "$1" != memory ] || base=$base$memory_group
  echo "${base%/}/kspot-bed-$name"
}

outside() {
  local controller group
  for controller in "${controllers[@]}" systemd unified; do
    group=$(group_of "$controller")
    mkdir -p "$group"
    if [ "$controller" = cpuset ]; then
      # A cpuset without processors and memory takes nobody in.
      cat "${group%/*}/cpuset.cpus" >"$group/cpuset.cpus"
      cat "${group%/*}/cpuset.mems" >"$group/cpuset.mems"
      echo 1 >"$group/cgroup.clone_children"
    fi
    echo $$ >"$group/cgroup.procs"
  done
  # With its starter's death everything in the machine dies.
  exec setpriv --pdeathsig KILL -- nsenter --net="/run/netns/$netns" -- \
    unshare --mount --uts --ipc --pid --cgroup --propagation private --fork --kill-child=KILL -- "$0" inside "${@:2}"
}

device() {
  mknod -m "$2" "$root/dev/$1" "$3" "$4" "$5"
}

# A host-wide setting that the machine may read and write without effect.
shadow() {
  local file=$root/run/host/settings/${1//\//.}
  [ -e "$root/proc/sys/$1" ] || return 0
  echo "$2" >"$file"
  mount --bind "$file" "$root/proc/sys/$1"
}

inside() {
  local controller directory link
  hostname localhost

  mount -t proc proc "$root/proc"
  # Settings of the host are read-only, those of its own network are the machine's.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
  mount -o remount,bind,rw "$root/proc/sys/net"

  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  for controller in "${controllers[@]}"; do
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller"
  done
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
  mount -o remount,bind,ro "$root/sys"

  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
  mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/net"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  for link in stdin:0 stdout:1 stderr:2; do
    ln -s "/proc/self/fd/${link#*:}" "$root/dev/${link%:*}"
  done
  device null 666 c 1 3
  device zero 666 c 1 5
  device full 666 c 1 7
  device random 666 c 1 8
  device urandom 666 c 1 9
  device kmsg 600 c 1 11
  device tty 666 c 5 0
  device net/tun 666 c 10 200
  device fuse 666 c 10 229
  device loop-control 660 c 10 237
  : >"$root/dev/console"
  mount --bind "$console" "$root/dev/console"

  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mkdir -p "$root/run/host/settings"
  # What systemd looks at to know that hardware and kernel are not its own.
  echo kspot-bed >"$root/run/host/container-manager"
  echo "$name" >"$root/run/host/instance-id"
  shadow vm/overcommit_memory 1
  shadow vm/panic_on_oom 0
  shadow vm/max_map_count 262144
  shadow kernel/panic 10
  shadow kernel/panic_on_oops 1
  shadow kernel/printk '4 4 1 7'
  shadow kernel/pid_max 4194304
  shadow fs/inotify/max_user_instances 8192
  shadow fs/inotify/max_user_watches 524288
  shadow fs/file-max 9223372036854775807

  while read -r directory; do
    mkdir -p "$root/$directory"
    mount --bind "$data/$directory" "$root/$directory"
  done < <(cd "$data" && find . -mindepth 3 -maxdepth 3 -type d)

  cd "$root"
  mkdir -p .outside
  pivot_root . .outside
  umount -l /.outside
  rmdir /.outside
  # As systemd has it on a machine of its own: containers see mounts that come later.
  mount --make-rshared /
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    /lib/systemd/systemd --log-target=journal --show-status=true
}

"$stage" "$@"
