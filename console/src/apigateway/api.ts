import {
  type ApiGatewayV2Client,
  type Authorizer,
  GetApiCommand,
  type GetApiCommandOutput,
  GetAuthorizersCommand,
  GetIntegrationsCommand,
  GetRoutesCommand,
  GetStagesCommand,
  type Integration,
  type Route,
  type Stage,
} from "@aws-sdk/client-apigatewayv2";

/** An API with everything that belongs to it, as its page shows it. */
export interface ApiView {
  id: string;
  api: GetApiCommandOutput;
  routes: Route[];
  integrations: Integration[];
  authorizers: Authorizer[];
  stages: Stage[];
}

/** What every tab of an API's page takes. */
export interface PartProps {
  view: ApiView;
  onChanged(): Promise<void>;
}

export async function fetchApi(client: ApiGatewayV2Client, id: string): Promise<ApiView> {
  const [api, routes, integrations, authorizers, stages] = await Promise.all([
    client.send(new GetApiCommand({ ApiId: id })),
    everyPage((page) => client.send(new GetRoutesCommand({ ApiId: id, ...page }))),
    everyPage((page) => client.send(new GetIntegrationsCommand({ ApiId: id, ...page }))),
    everyPage((page) => client.send(new GetAuthorizersCommand({ ApiId: id, ...page }))),
    everyPage((page) => client.send(new GetStagesCommand({ ApiId: id, ...page }))),
  ]);
  return { id, api, routes, integrations, authorizers, stages };
}

/** All items of a listing; the SDK has no paginators for this service. */
export async function everyPage<I>(
  send: (page: { MaxResults: string; NextToken?: string }) => Promise<{ Items?: I[]; NextToken?: string }>,
): Promise<I[]> {
  const all: I[] = [];
  let token: string | undefined;
  do {
    const answer = await send({ MaxResults: "500", NextToken: token });
    all.push(...(answer.Items ?? []));
    token = answer.NextToken;
  } while (token);
  return all;
}

/** The function in an integration's or authorizer's URI, an ARN or the invocation URI around one. */
export function functionArn(uri: string | undefined): string | undefined {
  return /arn:aws[^:]*:lambda:[^:]+:\d{12}:function:[\w$-]+(?::[\w$-]+)?/.exec(uri ?? "")?.[0];
}

export function functionName(arn: string): string {
  return arn.split(":").slice(6).join(":");
}

/** What an integration leads to, in few words. */
export function targetText(integration: Integration | undefined): string {
  if (!integration) return "None";
  const arn = functionArn(integration.IntegrationUri);
  return arn ? functionName(arn) : `${integration.IntegrationMethod ?? "ANY"} ${integration.IntegrationUri}`;
}

/** The integration of a route. */
export function integrationOf(view: ApiView, route: Route): Integration | undefined {
  return view.integrations.find((one) => route.Target === `integrations/${one.IntegrationId}`);
}

/** Where a stage answers: the default one at the endpoint itself. */
export function invokeUrl(api: GetApiCommandOutput, stage: string): string {
  return stage === "$default" ? api.ApiEndpoint! : `${api.ApiEndpoint}/${stage}`;
}
