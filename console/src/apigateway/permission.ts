import { AddPermissionCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import type { Session } from "../aws/session";
import { functionName } from "./api";

/** Let an API invoke a function. `resource`: what of the API, as in the ARN, e.g. one route or one authorizer. */
export async function allowInvoke(lambda: LambdaClient, session: Session, arn: string, apiId: string, resource: string): Promise<void> {
  const [name, qualifier] = functionName(arn).split(":");
  await lambda.send(
    new AddPermissionCommand({
      FunctionName: name,
      Qualifier: qualifier,
      StatementId: `apigateway-${crypto.randomUUID()}`,
      Action: "lambda:InvokeFunction",
      Principal: "apigateway.amazonaws.com",
      SourceArn: `arn:aws:execute-api:${session.region}:${session.account}:${apiId}/${resource}`,
    }),
  );
}

/** The resource of a route in an execute-api ARN: any stage, any method, its path. */
export function routeResource(routeKey: string): string {
  return routeKey === "$default" ? "*/$default" : `*/*${routeKey.slice(routeKey.indexOf(" ") + 1)}`;
}
