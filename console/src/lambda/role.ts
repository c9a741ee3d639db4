import { AttachRolePolicyCommand, CreateRoleCommand, DeleteRoleCommand, DetachRolePolicyCommand, type IAMClient } from "@aws-sdk/client-iam";

const TRUST = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
});

const BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/** The role with basic permissions that the console makes for a new function; returns its ARN. */
export async function createBasicRole(iam: IAMClient, functionName: string): Promise<string> {
  const suffix = Math.random().toString(36).slice(2, 10);
  const name = `${functionName.slice(0, 40)}-role-${suffix}`;
  const role = await iam.send(new CreateRoleCommand({ RoleName: name, Path: "/service-role/", AssumeRolePolicyDocument: TRUST }));
  await iam.send(new AttachRolePolicyCommand({ RoleName: name, PolicyArn: BASIC }));
  return role.Role!.Arn!;
}

/** Take a role of `createBasicRole` away again: the function it was for could not be created. */
export async function deleteBasicRole(iam: IAMClient, arn: string): Promise<void> {
  const RoleName = arn.split("/").pop()!;
  await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn: BASIC }));
  await iam.send(new DeleteRoleCommand({ RoleName }));
}
