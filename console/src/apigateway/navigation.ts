import type { SideNavigationProps } from "@cloudscape-design/components";

export const NAVIGATION: SideNavigationProps.Item[] = [{ type: "link", text: "APIs", href: "/console/apigateway/apis" }];
