import type { SideNavigationProps } from "@cloudscape-design/components";

export const NAVIGATION: SideNavigationProps.Item[] = [
  { type: "link", text: "Functions", href: "/console/lambda/functions" },
  { type: "section", text: "Additional resources", items: [{ type: "link", text: "Layers", href: "/console/lambda/layers" }] },
];
