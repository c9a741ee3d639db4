"""Instance types: what there is and where it is offered."""

from __future__ import annotations

from typing import Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import zones
from undercast.services.ec2.catalogue import catalogue
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page

_MEMBERS = {
    "auto-recovery-supported": "AutoRecoverySupported",
    "bare-metal": "BareMetal",
    "burstable-performance-supported": "BurstablePerformanceSupported",
    "current-generation": "CurrentGeneration",
    "dedicated-hosts-supported": "DedicatedHostsSupported",
    "ebs-info.attachment-limit-type": "EbsInfo.AttachmentLimitType",
    "ebs-info.maximum-ebs-attachments": "EbsInfo.MaximumEbsAttachments",
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": (
        "EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps"
    ),
    "ebs-info.ebs-optimized-info.baseline-iops": "EbsInfo.EbsOptimizedInfo.BaselineIops",
    "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": (
        "EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps"
    ),
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps": (
        "EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps"
    ),
    "ebs-info.ebs-optimized-info.maximum-iops": "EbsInfo.EbsOptimizedInfo.MaximumIops",
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps": (
        "EbsInfo.EbsOptimizedInfo.MaximumThroughputInMBps"
    ),
    "ebs-info.ebs-optimized-support": "EbsInfo.EbsOptimizedSupport",
    "ebs-info.encryption-support": "EbsInfo.EncryptionSupport",
    "ebs-info.nvme-support": "EbsInfo.NvmeSupport",
    "free-tier-eligible": "FreeTierEligible",
    "hibernation-supported": "HibernationSupported",
    "hypervisor": "Hypervisor",
    "instance-storage-info.disk.count": "InstanceStorageInfo.Disks.Count",
    "instance-storage-info.disk.size-in-gb": "InstanceStorageInfo.Disks.SizeInGB",
    "instance-storage-info.disk.type": "InstanceStorageInfo.Disks.Type",
    "instance-storage-info.encryption-support": "InstanceStorageInfo.EncryptionSupport",
    "instance-storage-info.nvme-support": "InstanceStorageInfo.NvmeSupport",
    "instance-storage-info.total-size-in-gb": "InstanceStorageInfo.TotalSizeInGB",
    "instance-storage-supported": "InstanceStorageSupported",
    "instance-type": "InstanceType",
    "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
    "network-info.bandwidth-weightings": "NetworkInfo.BandwidthWeightings",
    "network-info.efa-info.maximum-efa-interfaces": "NetworkInfo.EfaInfo.MaximumEfaInterfaces",
    "network-info.efa-supported": "NetworkInfo.EfaSupported",
    "network-info.ena-support": "NetworkInfo.EnaSupport",
    "network-info.flexible-ena-queues-support": "NetworkInfo.FlexibleEnaQueuesSupport",
    "network-info.encryption-in-transit-supported": "NetworkInfo.EncryptionInTransitSupported",
    "network-info.ipv4-addresses-per-interface": "NetworkInfo.Ipv4AddressesPerInterface",
    "network-info.ipv6-addresses-per-interface": "NetworkInfo.Ipv6AddressesPerInterface",
    "network-info.ipv6-supported": "NetworkInfo.Ipv6Supported",
    "network-info.maximum-network-cards": "NetworkInfo.MaximumNetworkCards",
    "network-info.maximum-network-interfaces": "NetworkInfo.MaximumNetworkInterfaces",
    "network-info.network-performance": "NetworkInfo.NetworkPerformance",
    "nitro-enclaves-support": "NitroEnclavesSupport",
    "nitro-tpm-support": "NitroTpmSupport",
    "nitro-tpm-info.supported-versions": "NitroTpmInfo.SupportedVersions",
    "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures",
    "processor-info.sustained-clock-speed-in-ghz": "ProcessorInfo.SustainedClockSpeedInGhz",
    "processor-info.supported-features": "ProcessorInfo.SupportedFeatures",
    "reboot-migration-support": "RebootMigrationSupport",
    "supported-boot-mode": "SupportedBootModes",
    "supported-root-device-type": "SupportedRootDeviceTypes",
    "supported-usage-class": "SupportedUsageClasses",
    "supported-virtualization-type": "SupportedVirtualizationTypes",
    "vcpu-info.default-cores": "VCpuInfo.DefaultCores",
    "vcpu-info.default-threads-per-core": "VCpuInfo.DefaultThreadsPerCore",
    "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
    "vcpu-info.valid-cores": "VCpuInfo.ValidCores",
    "vcpu-info.valid-threads-per-core": "VCpuInfo.ValidThreadsPerCore",
}
_FILTERS = Filters(_MEMBERS, tagged=False)
_OFFERING_FILTERS = Filters({"location": "Location", "instance-type": "InstanceType"}, tagged=False)


class InstanceTypes:
    """DescribeInstanceTypes and DescribeInstanceTypeOfferings."""

    def describe_instance_types(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "InstanceTypes", "InstanceTypes")
        rows: list[dict[str, Any]] = [dict(known.described) for known in catalogue().values()]
        if wanted := params.get("InstanceTypes"):
            _check(wanted)
            rows = [row for row in rows if row["InstanceType"] in wanted]
        rows = _FILTERS.select(rows, params.get("Filters"))
        chosen, token = page(rows, params, lambda row: row["InstanceType"], highest=100, default=100)
        return answer("InstanceTypes", chosen, token)

    def describe_instance_type_offerings(self, call: Call, params: Params) -> Result:
        dry_run(params)
        location_type = params.get("LocationType") or "region"
        match location_type:
            case "region":
                locations = [call.region]
            case "availability-zone":
                locations = [zone.name for zone in zones.zones(call.region)]
            case "availability-zone-id":
                locations = [zone.id for zone in zones.zones(call.region)]
            case _:
                raise AwsError(
                    "InvalidParameterValue", f"Value ({location_type}) for parameter locationType is invalid."
                )
        rows = [
            {"InstanceType": name, "LocationType": location_type, "Location": location}
            for name in catalogue()
            for location in locations
        ]
        rows = _OFFERING_FILTERS.select(rows, params.get("Filters"))
        key = "{0[InstanceType]} {0[Location]}"
        chosen, token = page(rows, params, key.format, default=1000)
        return answer("InstanceTypeOfferings", chosen, token)


def _check(names: list[str]) -> None:
    known = catalogue()
    if missing := [name for name in names if name not in known]:
        raise AwsError(
            "InvalidInstanceType",
            f"The following supplied instance types do not exist: [{', '.join(missing)}]",
        )
