#!/bin/sh
# Runs inside the new root file system (chroot), after the packages and the overlay are in place.
set -eu

useradd --create-home --shell /bin/bash --comment "EC2 Default User" --uid 1000 ec2-user
mv /usr/lib/undercast/DataSourceUndercast /usr/lib/python3/dist-packages/cloudinit/sources/DataSourceUndercast.py
chmod 0755 /usr/lib/undercast/*
chmod 0440 /etc/sudoers.d/90-cloud-user
install -d -m 0700 -o ec2-user -g ec2-user /home/ec2-user/.ssh
cp /etc/skel/.bashrc /root/.bashrc
sed -i 's/^\(session.*pam_motd.so.*motd.dynamic.*\)$/#\1/; s/^\(session.*pam_mail.so.*\)$/#\1/' /etc/pam.d/sshd
rm -f /etc/update-motd.d/* /etc/issue.net /etc/ssh/ssh_host_*

# pip as on a cloud image: no refusal because the distribution manages Python as well.
for marker in /usr/lib/python3*/EXTERNALLY-MANAGED; do
    [ -e "$marker" ] && dpkg-divert --quiet --rename --divert "$marker.distribution" "$marker"
done
ln -sf vim.tiny /usr/bin/vim 2>/dev/null || true

# Units that have nothing to do in a container, or that stand in the way of a quick boot.
systemctl mask --quiet systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
    systemd-udevd-kernel.socket systemd-udev-settle.service systemd-networkd.service systemd-networkd.socket \
    systemd-resolved.service systemd-networkd-wait-online.service systemd-timesyncd.service \
    systemd-sysusers.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup-dev-early.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-modules-load.service systemd-sysctl.service systemd-random-seed.service \
    systemd-hwdb-update.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-binfmt.service \
    getty.target console-getty.service container-getty@.service getty@tty1.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service modprobe@.service \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer apt-daily.timer apt-daily-upgrade.timer \
    apt-daily.service apt-daily-upgrade.service dpkg-db-backup.timer motd-news.timer man-db.timer \
    ssh.socket sshd-keygen.service ldconfig.service systemd-firstboot.service systemd-journal-flush.service \
    systemd-journal-catalog-update.service systemd-update-done.service first-boot-complete.target \
    cloud-init-local.service cloud-init.service cloud-config.service cloud-final.service cloud-init-hotplugd.socket \
    cloud-init-main.service cloud-init-network.service networking.service remote-fs.target >/dev/null 2>&1 || true
rm -f /usr/lib/systemd/system-generators/cloud-init-generator /lib/systemd/system-generators/cloud-init-generator
mkdir -p /etc/tmpfiles.d /etc/systemd/system-generators
ln -sf /dev/null /etc/tmpfiles.d/systemd-nologin.conf
rm -f /etc/systemd/system/multi-user.target.wants/ssh.service /etc/systemd/system/sshd.service
systemctl enable --quiet ssh.service undercast-mount.service undercast-init.service \
    undercast-interfaces.service
systemctl set-default --quiet multi-user.target

# Nobody waits for logind at boot; D-Bus starts it for who asks (reboot, shutdown, loginctl).
rm -f /lib/systemd/system/multi-user.target.wants/systemd-logind.service

# Generators look for disks, consoles and init scripts of other times, at each boot. The one for fstab would make
# mount units that wait for devices udev never announces.
for generator in /usr/lib/systemd/system-generators/* /lib/systemd/system-generators/*; do
    name=$(basename "$generator")
    [ "$name" = systemd-sysv-generator ] || ln -sf /dev/null "/etc/systemd/system-generators/$name"
done

# Byte code now, once, instead of on every first run in every instance.
python3 -m compileall -q /usr/lib/python3/dist-packages/cloudinit >/dev/null 2>&1 || true
update-ca-certificates >/dev/null 2>&1 || true

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log /etc/dpkg/dpkg.cfg.d/99mmdebstrap
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/hostname /etc/resolv.conf /var/lib/dbus/machine-id
: > /etc/machine-id
