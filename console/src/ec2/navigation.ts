import type { SideNavigationProps } from "@cloudscape-design/components";

function links(...pairs: [string, string][]): SideNavigationProps.Link[] {
  return pairs.map(([text, path]) => ({ type: "link", text, href: `/console/ec2/${path}` }));
}

export const NAVIGATION: SideNavigationProps.Item[] = [
  ...links(["Dashboard", "dashboard"]),
  { type: "section", text: "Instances", items: links(["Instances", "instances"], ["Instance types", "instance-types"], ["Launch templates", "launch-templates"], ["Spot requests", "spot-requests"]) },
  { type: "section", text: "Images", items: links(["AMIs", "images"]) },
  { type: "section", text: "Elastic Block Store", items: links(["Volumes", "volumes"], ["Snapshots", "snapshots"]) },
  { type: "section", text: "Network & security", items: links(["Security groups", "security-groups"], ["Elastic IPs", "addresses"], ["Key pairs", "key-pairs"], ["VPCs", "vpcs"]) },
];
