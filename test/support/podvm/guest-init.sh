#!/bin/sh
# The first program of the pod VM: mounts, modules, network; then busybox init, which keeps the agent going and collects
# orphans. Its parameters are on the kernel's command line.
export PATH=/usr/sbin:/usr/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/mapper
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# As in Kata's guest, where images lie in it.
mount -t tmpfs -o mode=755,nosuid,nodev,size=50% tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd

modprobe -a virtio_pci virtio_net
hostname podvm
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0

modprobe -a virtio_blk loop dm-mod dm-crypt dm-integrity dm-verity overlay erofs
exec /usr/bin/busybox init
