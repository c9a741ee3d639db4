"""Machines: the only package that knows Incus. Instances, their images and their disks."""
