import type { ApiView } from "./api";
import type { Live } from "../aws/useLive";

/** A part of the view as the data of a list. */
export function partOf<T>(items: T[], onChanged: () => Promise<void>): Live<T[]> {
  return { data: items, error: undefined, loading: false, refresh: onChanged };
}

/** The routes that lead to an integration. */
export function routesOf(view: ApiView, integrationId: string): string[] {
  return view.routes.filter((route) => route.Target === `integrations/${integrationId}`).map((route) => route.RouteKey!);
}
