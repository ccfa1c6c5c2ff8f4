#!/bin/sh
# Boots a real systemd as pid 1 of a machine of its own: own processes, mounts, network, host name
# and control groups; a root directory in memory, of which /usr and /opt/sluice are this machine's,
# for reading only. Nothing outside is in its reach. Ends with the process that started it.
#
# usage: systemd-machine.sh DIRECTORY CHECKOUT
#   DIRECTORY  holds etc/, which becomes the machine's /etc, and nothing else
#   CHECKOUT   what is at /opt/sluice in there
set -eu
PATH=$PATH:/usr/sbin:/sbin

if [ "${STAGE:-}" = '' ]; then
  STAGE=groups exec unshare --mount --propagation private "$0" "$@"
fi

directory=$1
checkout=$2
root=$directory/root

if [ "$STAGE" = groups ]; then
  groups=$directory/groups
  mkdir "$root" "$groups"
  mount -t cgroup2 cgroup2 "$groups"
  group=$groups/sluice-test-$$
  mkdir "$group"
  # In a child, so that this shell is not in the group and can take it away.
  STAGE=machine sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
    setpriv --pdeathsig KILL --bounding-set -sys_boot,-sys_module,-sys_rawio,-sys_time \
    unshare --mount --cgroup --pid --uts --ipc --net --fork --kill-child "$0" "$directory" "$checkout" &
  child=$!
  trap 'kill -KILL $child' TERM INT HUP
  status=0
  wait $child || status=$?
  trap '' TERM INT HUP
  # Its processes are killed with it, and go one after another.
  until grep -q '^populated 0' "$group/cgroup.events"; do sleep 0.05; done
  find "$group" -depth -type d -exec rmdir {} \;
  exit "$status"
fi

mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc proc sys dev run tmp var opt/sluice root old
for link in bin lib lib32 lib64 libx32 sbin; do
  [ ! -e /usr/$link ] || ln -s usr/$link $link
done
mount --bind /usr usr
for entry in "$checkout"/*; do
  name=opt/sluice/${entry##*/}
  if [ -d "$entry" ]; then mkdir "$name"; else : >"$name"; fi
  mount --bind "$(readlink -f "$entry")" "$name"
  mount -o remount,bind,ro "$name"
done
mount -o remount,bind,ro usr
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
  cp -a /dev/$node dev/$node
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
cp -a /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d etc/
cp -a "$directory"/etc/. etc/
: >etc/machine-id
# What sees to a whole machine's kernel and disks has nothing to do here.
for unit in dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount \
  sys-fs-rollback-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount kmod-static-nodes.service modprobe@.service \
  systemd-journal-flush.service systemd-remount-fs.service systemd-sysctl.service \
  systemd-sysusers.service systemd-tmpfiles-setup-dev.service systemd-udevd.service \
  systemd-udev-trigger.service systemd-update-utmp.service; do
  ln -s /dev/null etc/systemd/system/$unit
done
pivot_root . old
umount -l old
rmdir old
exec env -i container=sluice-test PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd \
  --unit=machine.target --show-status=no --log-target=journal --log-level=notice
