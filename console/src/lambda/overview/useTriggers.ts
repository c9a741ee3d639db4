import { ApiGatewayV2Client, type Route } from "@aws-sdk/client-apigatewayv2";
import { GetFunctionUrlConfigCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { type ApiView, fetchApi, functionArn, integrationOf, invokeUrl } from "../../apigateway/api";
import { useClient } from "../../aws/clients";
import { unlessAbsent } from "../../aws/errors";
import { type Live, useLive } from "../../aws/useLive";
import { apiIds, type FunctionView } from "../function";
import { FOLLOWING_MS, useFollowing } from "../useFollowing";

/** What invokes a function over HTTP: a route of an API, or the function's own URL. */
export interface Trigger {
  kind: "API Gateway" | "Function URL";
  /** The API's name and ID, where it is one. */
  name?: string;
  apiId?: string;
  url: string;
  /** "ANY /calculate_mean" */
  route?: string;
  /** "NONE", "AWS_IAM", "JWT" */
  authorization?: string;
}

/** The function's URL, and the HTTP APIs its policy lets in. */
export function useTriggers(view: FunctionView): Live<Trigger[]> {
  const lambda = useClient(LambdaClient);
  const gateway = useClient(ApiGatewayV2Client);
  const ids = apiIds(view);
  const live = useLive(
    async () => {
      const [url, ...apis] = await Promise.all([
        lambda.send(new GetFunctionUrlConfigCommand({ FunctionName: view.name, Qualifier: view.qualifier })).catch(unlessAbsent),
        // A policy outlives the API that it names.
        ...ids.map((id) => fetchApi(gateway, id).catch(unlessAbsent)),
      ]);
      const own: Trigger[] = url ? [{ kind: "Function URL", url: url.FunctionUrl!, authorization: url.AuthType }] : [];
      return [...own, ...apis.flatMap((api) => (api ? triggersOf(api, view.name) : []))];
    },
    [lambda, gateway, view.name, view.qualifier, ids.join()],
    FOLLOWING_MS,
  );
  return useFollowing(view, live);
}

/** The routes of an API that lead to the function. */
function triggersOf(view: ApiView, name: string): Trigger[] {
  const stage = view.stages.find((one) => one.StageName === "$default") ?? view.stages[0];
  const base = stage ? invokeUrl(view.api, stage.StageName!) : view.api.ApiEndpoint!;
  const leads = (route: Route) => functionArn(integrationOf(view, route)?.IntegrationUri)?.split(":")[6] === name;
  return view.routes.filter(leads).map((route) => ({
    kind: "API Gateway",
    name: view.api.Name,
    apiId: view.id,
    url: base + (route.RouteKey === "$default" ? "" : route.RouteKey!.slice(route.RouteKey!.indexOf(" ") + 1)),
    route: route.RouteKey,
    authorization: route.AuthorizationType,
  }));
}
