import type { SideNavigationProps } from "@cloudscape-design/components";

export const NAVIGATION: SideNavigationProps.Item[] = [
  {
    type: "section",
    text: "Logs",
    items: [
      { type: "link", text: "Log groups", href: "/console/cloudwatch/log-groups" },
      { type: "link", text: "Live tail", href: "/console/cloudwatch/live-tail" },
    ],
  },
  { type: "section", text: "Metrics", items: [{ type: "link", text: "All metrics", href: "/console/cloudwatch/metrics" }] },
];
