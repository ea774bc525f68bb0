#!/bin/sh
# phone-init.sh ROOT QEMU [PLACE=SOURCE]...: the first process of a phone's namespaces, which end with it. It ends with its
# input. Programs of the phone's processor run under QEMU here and nowhere else: binfmt_misc belongs to a user namespace.
set -e
root=$1 qemu=$2
shift 2
echo unmapped
read -r _
mount -t proc proc /proc
echo localhost >/proc/sys/kernel/hostname
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
# The first twenty bytes of an aarch64 program. F opens QEMU now, which is not among the phone's files.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":aarch64:M::$magic:$mask:$qemu:F" >/proc/sys/fs/binfmt_misc/register

mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for name in null zero full random urandom tty; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/socket"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# What this machine's /sys would tell of the phone is wrong; runtimes look for how many processors there are.
mount -t tmpfs -o mode=755 sys "$root/sys"
cpus=$root/sys/devices/system/cpu
mkdir -p "$cpus" "$root/sys/class/thermal/thermal_zone0"
for name in possible present online; do
    cat "/sys/devices/system/cpu/$name" >"$cpus/$name"
done
echo BIG >"$root/sys/class/thermal/thermal_zone0/type"
echo 36200 >"$root/sys/class/thermal/thermal_zone0/temp"

# No /tmp: Android has none.
mount -t tmpfs -o mode=771 data "$root/data"
mkdir -p "$root/data/local/tmp" "$root/data/misc/adb" "$root/data/property" "$root/data/dumpsys"
chmod 771 "$root/data/local/tmp"
chown 2000:2000 "$root/data/local/tmp"
mkdir "$root/data/local/tmp/small"
mount -t tmpfs -o size=24m,mode=771,uid=2000,gid=2000 small "$root/data/local/tmp/small"
mount -t tmpfs -o mode=755 mnt "$root/mnt"
for pair in "$@"; do
    mkdir -p "$root${pair%%=*}"
    mount --rbind "${pair#*=}" "$root${pair%%=*}"
done

echo ready
# Processes whose parents have ended are this one's, and its wait collects them.
exec 3<&0
cat <&3 >/dev/null &
wait $!
