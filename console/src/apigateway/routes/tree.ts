import type { Route } from "@aws-sdk/client-apigatewayv2";

/** A node of the tree of routes: a segment of the path, or a method at its end. */
export interface Node {
  id: string;
  text: string;
  route?: Route;
  children: Node[];
}

/** The routes as the AWS console shows them: segments of the paths, with the methods as leaves. */
export function routeTree(routes: Route[]): Node[] {
  const top: Node[] = [];
  for (const route of [...routes].sort((a, b) => sortKey(a).localeCompare(sortKey(b)))) {
    const [method, path] = route.RouteKey!.split(" ");
    const leaf: Node = { id: route.RouteId!, text: method, route, children: [] };
    if (!path) {
      top.push(leaf);
      continue;
    }
    let level = top;
    let id = "";
    for (const segment of path.slice(1).split("/")) {
      id += `/${segment}`;
      let node = level.find((one) => one.id === id);
      if (!node) level.push((node = { id, text: `/${segment}`, children: [] }));
      level = node.children;
    }
    level.push(leaf);
  }
  return top;
}

/** The path, then the method; $default comes first. */
function sortKey(route: Route): string {
  const [method, path] = route.RouteKey!.split(" ");
  return path ? `${path} ${method}` : "";
}
