import type { SideNavigationProps } from "@cloudscape-design/components";

export const NAVIGATION: SideNavigationProps.Item[] = [];
