import type { IpPermission, SecurityGroupRule, SecurityGroupRuleRequest } from "@aws-sdk/client-ec2";

/** A rule as it is typed. */
export interface Draft {
  /** Of a rule that is there already. */
  id?: string;
  kind: string;
  ports: string;
  sourceKind: string;
  source: string;
  description: string;
}

interface Kind {
  value: string;
  label: string;
  protocol: string;
  ports?: string;
}

export const KINDS: Kind[] = [
  { value: "ssh", label: "SSH", protocol: "tcp", ports: "22" },
  { value: "http", label: "HTTP", protocol: "tcp", ports: "80" },
  { value: "https", label: "HTTPS", protocol: "tcp", ports: "443" },
  { value: "custom-tcp", label: "Custom TCP", protocol: "tcp" },
  { value: "custom-udp", label: "Custom UDP", protocol: "udp" },
  { value: "icmp", label: "All ICMP - IPv4", protocol: "icmp", ports: "-1" },
  { value: "mysql", label: "MYSQL/Aurora", protocol: "tcp", ports: "3306" },
  { value: "postgresql", label: "PostgreSQL", protocol: "tcp", ports: "5432" },
  { value: "all-tcp", label: "All TCP", protocol: "tcp", ports: "0-65535" },
  { value: "all-udp", label: "All UDP", protocol: "udp", ports: "0-65535" },
  { value: "all", label: "All traffic", protocol: "-1" },
];

export function emptyDraft(kind = "ssh"): Draft {
  return { kind, ports: "", sourceKind: "custom", source: "", description: "" };
}

/** What the API takes for a typed rule. */
export function permissionOf(draft: Draft): IpPermission {
  const kind = KINDS.find((one) => one.value === draft.kind)!;
  const [from, to] = (kind.ports ?? draft.ports).split(/(?<=\d)\s*-\s*/).map(Number);
  const ports = kind.protocol === "-1" ? {} : { FromPort: from, ToPort: to ?? from };
  const Description = draft.description || undefined;
  const source = draft.source.trim();
  const target: IpPermission = source.startsWith("sg-")
    ? { UserIdGroupPairs: [{ GroupId: source, Description }] }
    : source.startsWith("pl-")
      ? { PrefixListIds: [{ PrefixListId: source, Description }] }
      : source.includes(":")
        ? { Ipv6Ranges: [{ CidrIpv6: source, Description }] }
        : { IpRanges: [{ CidrIp: source, Description }] };
  return { IpProtocol: kind.protocol, ...ports, ...target };
}

/** The same for a rule that is there and changes. */
export function requestOf(draft: Draft): SecurityGroupRuleRequest {
  const { IpProtocol, FromPort, ToPort, UserIdGroupPairs, PrefixListIds, Ipv6Ranges, IpRanges } = permissionOf(draft);
  return {
    IpProtocol,
    FromPort,
    ToPort,
    ReferencedGroupId: UserIdGroupPairs?.[0].GroupId,
    PrefixListId: PrefixListIds?.[0].PrefixListId,
    CidrIpv6: Ipv6Ranges?.[0].CidrIpv6,
    CidrIpv4: IpRanges?.[0].CidrIp,
    Description: draft.description || undefined,
  };
}

/** A rule that is there, to be edited; undefined for one of a protocol that cannot be typed here. */
export function draftOf(rule: SecurityGroupRule): Draft | undefined {
  const ports = rule.FromPort === rule.ToPort ? String(rule.FromPort) : `${rule.FromPort}-${rule.ToPort}`;
  const fits = KINDS.filter((kind) => kind.protocol === rule.IpProtocol);
  const kind = fits.find((one) => rule.IpProtocol === "-1" || one.ports === ports) ?? fits.find((one) => one.ports === undefined);
  if (!kind) return undefined;
  const source = sourceText(rule);
  return { id: rule.SecurityGroupRuleId, kind: kind.value, ports: kind.ports === undefined ? ports : "", sourceKind: ANYWHERE[source] ?? "custom", source, description: rule.Description ?? "" };
}

const ANYWHERE: Record<string, string> = { "0.0.0.0/0": "anywhere", "::/0": "anywhere-v6" };

/** The type of a rule, by its usual name. */
export function kindText(rule: SecurityGroupRule): string {
  const draft = draftOf(rule);
  return KINDS.find((kind) => kind.value === draft?.kind)?.label ?? "Custom protocol";
}

export function protocolText(rule: SecurityGroupRule): string {
  return rule.IpProtocol === "-1" ? "All" : (rule.IpProtocol ?? "").toUpperCase();
}

export function portText(rule: SecurityGroupRule): string {
  if (rule.IpProtocol === "-1" || rule.FromPort === -1 || rule.FromPort === undefined) return "All";
  return rule.FromPort === rule.ToPort ? String(rule.FromPort) : `${rule.FromPort} - ${rule.ToPort}`;
}

export function sourceText(rule: SecurityGroupRule): string {
  return rule.CidrIpv4 ?? rule.CidrIpv6 ?? rule.ReferencedGroupInfo?.GroupId ?? rule.PrefixListId ?? "–";
}
