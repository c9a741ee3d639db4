import type { SideNavigationProps } from "@cloudscape-design/components";
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import { NAVIGATION as APIGATEWAY } from "../apigateway/navigation";
import { NAVIGATION as CLOUDWATCH } from "../cloudwatch/navigation";
import { NAVIGATION as EC2 } from "../ec2/navigation";
import { NAVIGATION as LAMBDA } from "../lambda/navigation";

interface ServiceEntry {
  path: string;
  name: string;
  description: string;
  navigation: SideNavigationProps.Item[];
  /** The service's routes; its code is loaded when it is first opened. */
  Pages: LazyExoticComponent<ComponentType>;
}

export const SERVICES: ServiceEntry[] = [
  { path: "/ec2", name: "EC2", description: "Virtual servers", navigation: EC2, Pages: lazy(() => import("../ec2/Pages")) },
  { path: "/lambda", name: "Lambda", description: "Run code without servers", navigation: LAMBDA, Pages: lazy(() => import("../lambda/Pages")) },
  { path: "/apigateway", name: "API Gateway", description: "HTTP endpoints", navigation: APIGATEWAY, Pages: lazy(() => import("../apigateway/Pages")) },
  { path: "/cloudwatch", name: "CloudWatch", description: "Logs and metrics", navigation: CLOUDWATCH, Pages: lazy(() => import("../cloudwatch/Pages")) },
];
