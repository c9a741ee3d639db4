# The EC2 data source, except that it does not ask the (absent) hypervisor whether this is EC2.
from cloudinit import sources
from cloudinit.sources import DataSourceEc2 as ec2


class DataSourceUndercast(ec2.DataSourceEc2):
    """EC2 metadata from 169.254.169.254 with tokens (IMDSv2), as on AWS."""

    dsname = "Ec2"
    cloud_name = property(lambda self: ec2.CloudNames.AWS)


datasources = [(DataSourceUndercast, (sources.DEP_FILESYSTEM, sources.DEP_NETWORK))]


def get_datasource_list(depends):
    return sources.list_from_depends(depends, datasources)
