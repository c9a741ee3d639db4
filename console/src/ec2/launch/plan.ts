import type { BlockDeviceMapping, RunInstancesCommandInput, SecurityGroup, VolumeType } from "@aws-sdk/client-ec2";
import { type Draft, permissionOf } from "../security/rules";

/** A volume that is made with the instance. */
export interface Disk {
  gib: string;
  type: string;
  /** With the instance. */
  deleted: boolean;
}

/** Everything the launch page asks. */
export interface Plan {
  name: string;
  count: number;
  imageId: string | undefined;
  instanceType: string;
  /** "" is none; undefined is not chosen yet. */
  keyName: string | undefined;
  subnetId: string | undefined;
  /** "new" makes a security group of the rules, "existing" takes groups that are there. */
  groups: "new" | "existing";
  groupIds: string[];
  groupName: string;
  rules: Draft[];
  publicAddress: boolean;
  rootDevice: string;
  /** The root volume first. */
  disks: Disk[];
  spot: boolean;
  shutdown: "stop" | "terminate";
  hibernation: boolean;
  protection: boolean;
  monitoring: boolean;
  httpTokens: "required" | "optional";
  profile: string;
  userData: string;
}

export function newPlan(): Plan {
  return {
    name: "",
    count: 1,
    imageId: undefined,
    instanceType: "t2.micro",
    keyName: undefined,
    subnetId: undefined,
    groups: "new",
    groupIds: [],
    groupName: "",
    rules: [],
    publicAddress: true,
    rootDevice: "/dev/xvda",
    disks: [{ gib: "8", type: "gp3", deleted: true }],
    spot: false,
    shutdown: "stop",
    hibernation: false,
    protection: false,
    monitoring: false,
    httpTokens: "required",
    profile: "",
    userData: "",
  };
}

/** The first name of AWS's kind that no group has yet. */
export function freeGroupName(groups: SecurityGroup[]): string {
  const taken = new Set(groups.map((group) => group.GroupName));
  let count = 1;
  while (taken.has(`launch-wizard-${count}`)) count++;
  return `launch-wizard-${count}`;
}

/** The parameters of RunInstances; `groupIds` are those that are there by now. */
export function runInstances(plan: Plan, groupIds: string[]): RunInstancesCommandInput {
  return {
    ImageId: plan.imageId,
    InstanceType: plan.instanceType as never,
    MinCount: plan.count,
    MaxCount: plan.count,
    KeyName: plan.keyName || undefined,
    NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: plan.subnetId, Groups: groupIds, AssociatePublicIpAddress: plan.publicAddress }],
    BlockDeviceMappings: devices(plan),
    ...(plan.spot ? { InstanceMarketOptions: { MarketType: "spot" } } : { InstanceInitiatedShutdownBehavior: plan.shutdown }),
    ...(plan.hibernation && { HibernationOptions: { Configured: true } }),
    ...(plan.protection && { DisableApiTermination: true }),
    ...(plan.monitoring && { Monitoring: { Enabled: true } }),
    MetadataOptions: { HttpTokens: plan.httpTokens },
    ...(plan.profile && { IamInstanceProfile: { Name: plan.profile } }),
    ...(plan.userData && { UserData: btoa(String.fromCharCode(...new TextEncoder().encode(plan.userData))) }),
    ...(plan.name && { TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: plan.name }] }] }),
    ClientToken: crypto.randomUUID(),
  };
}

/** The root volume under its own name, the others from /dev/sdb on. */
function devices(plan: Plan): BlockDeviceMapping[] {
  return plan.disks.map((disk, index) => ({
    DeviceName: index === 0 ? plan.rootDevice : `/dev/sd${String.fromCharCode("a".charCodeAt(0) + index)}`,
    Ebs: { VolumeSize: Number(disk.gib), VolumeType: disk.type as VolumeType, DeleteOnTermination: disk.deleted },
  }));
}

/** The same as `aws` commands, to be copied. */
export function commands(plan: Plan): string {
  const lines: string[] = [];
  let groups = plan.groupIds.join(" ");
  if (plan.groups === "new") {
    lines.push(
      `group=$(aws ec2 create-security-group --group-name ${quoted(plan.groupName)} --description ${quoted(groupDescription(plan))} --query GroupId --output text)`,
    );
    if (plan.rules.length)
      lines.push(`aws ec2 authorize-security-group-ingress --group-id "$group" --ip-permissions ${quoted(JSON.stringify(plan.rules.map(permissionOf)))}`);
    groups = '"$group"';
  }
  const words = [
    "aws ec2 run-instances",
    `--image-id ${plan.imageId ?? "ami-..."}`,
    `--count ${plan.count}`,
    `--instance-type ${plan.instanceType}`,
    plan.keyName && `--key-name ${quoted(plan.keyName)}`,
    groups && `--security-group-ids ${groups}`,
    plan.subnetId && `--subnet-id ${plan.subnetId}`,
    plan.publicAddress ? "--associate-public-ip-address" : "--no-associate-public-ip-address",
    `--block-device-mappings ${quoted(JSON.stringify(devices(plan)))}`,
    plan.spot ? "--instance-market-options MarketType=spot" : plan.shutdown === "terminate" && "--instance-initiated-shutdown-behavior terminate",
    plan.hibernation && "--hibernation-options Configured=true",
    plan.protection && "--disable-api-termination",
    plan.monitoring && "--monitoring Enabled=true",
    `--metadata-options HttpTokens=${plan.httpTokens}`,
    plan.profile && `--iam-instance-profile Name=${quoted(plan.profile)}`,
    plan.userData && `--user-data ${quoted(plan.userData)}`,
    plan.name && `--tag-specifications ${quoted(`ResourceType=instance,Tags=[{Key=Name,Value=${plan.name}}]`)}`,
  ].filter(Boolean);
  lines.push(words.join(" \\\n    "));
  return lines.join("\n");
}

export function groupDescription(plan: Plan): string {
  return `${plan.groupName} created by the launch page`;
}

function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
