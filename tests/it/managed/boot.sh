# boot.sh DIR: boots the systemd of this machine over what it has, in namespaces of its own, has it
# run DIR/steps, and leaves what they print in DIR/told. Nothing that is written there stays.
set -eu
dir=$1

case ${2-outside} in
outside)
    exec unshare --mount --propagation private bash "$0" "$dir" group
    ;;
group)
    mkdir -p "$dir/cgroup"
    mount -t cgroup2 cgroup2 "$dir/cgroup"
    before=$(sed -n 's/^0:://p' /proc/self/cgroup)
    own=$dir/cgroup/msb-test-$$
    mkdir "$own"
    echo $$ > "$own/cgroup.procs"
    code=0
    unshare --cgroup --pid --fork --kill-child --ipc --uts --net --mount \
        bash "$0" "$dir" root || code=$?
    echo $$ > "$dir/cgroup/$before/cgroup.procs"
    find "$own" -depth -type d -exec rmdir {} +
    exit $code
    ;;
root)
    mkdir "$dir/mounts" && mount -t tmpfs tmpfs "$dir/mounts"
    cd "$dir/mounts"
    mkdir upper work root
    mount -t overlay -o lowerdir=/,upperdir="$PWD/upper",workdir="$PWD/work" overlay root
    cd root
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    for own in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $own; done
    mkdir dev/shm dev/pts run/test
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
    done
    mknod -m 666 dev/tty c 5 0
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s /dev/null dev/console
    mount --bind "$dir" run/test
    ip link set lo up
    : > etc/fstab
    units=etc/systemd/system
    rm -rf "$units" && mkdir -p "$units"
    # There is no hardware to wait for, and nobody logs in.
    for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
        systemd-udev-trigger.service systemd-firstboot.service systemd-hwdb-update.service \
        systemd-random-seed.service systemd-remount-fs.service ldconfig.service; do
        ln -s /dev/null "$units/$unit"
    done
    printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=steps.service\n' \
        > "$units/test.target"
    cat > "$units/steps.service" <<UNIT
[Service]
Type=oneshot
ExecStart=/bin/bash /run/test/steps
ExecStopPost=/bin/systemctl --force --force exit 0
StandardOutput=file:/run/test/told
StandardError=inherit
UNIT
    # Who is only in a chroot may make no user namespace.
    pivot_root . mnt
    exec chroot . env -i container=other PATH="$PATH" /lib/systemd/systemd --unit=test.target \
        --log-target=null --show-status=no
    ;;
esac
