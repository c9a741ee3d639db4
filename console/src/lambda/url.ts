import { AddPermissionCommand, CreateFunctionUrlConfigCommand, type LambdaClient } from "@aws-sdk/client-lambda";

interface Named {
  FunctionName: string;
  Qualifier?: string;
}

/** Give a function its own endpoint; with `NONE` everyone may call it, which takes two statements in its policy. */
export async function createUrl(lambda: LambdaClient, named: Named, auth: "NONE" | "AWS_IAM", mode: "BUFFERED" | "RESPONSE_STREAM" = "BUFFERED"): Promise<void> {
  await lambda.send(new CreateFunctionUrlConfigCommand({ ...named, AuthType: auth, InvokeMode: mode }));
  if (auth !== "NONE") return;
  const everyone = { ...named, Principal: "*" };
  const statements = [
    { StatementId: "FunctionURLAllowPublicAccess", Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" as const },
    { StatementId: "FunctionURLInvokeAllowPublicAccess", Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true },
  ];
  for (const statement of statements) {
    await lambda.send(new AddPermissionCommand({ ...everyone, ...statement })).catch((error: Error) => {
      // It is there since the function had a URL before.
      if (error.name !== "ResourceConflictException") throw error;
    });
  }
}
