import type { FunctionConfiguration } from "@aws-sdk/client-lambda";

/** A statement of a function's resource policy. */
export interface Statement {
  Sid: string;
  Effect: string;
  Principal: string | Record<string, string>;
  Action: string;
  Resource: string;
  Condition?: Record<string, Record<string, string>>;
}

/** A function (or a version of it) as its page shows it. */
export interface FunctionView {
  name: string;
  qualifier: string | undefined;
  configuration: FunctionConfiguration;
  codeUrl: string | undefined;
  concurrency: number | undefined;
  tags: Record<string, string>;
  statements: Statement[];
}

/** The HTTP APIs that may invoke the function, by the source ARNs of its policy. */
export function apiIds(view: FunctionView): string[] {
  const ids = view.statements
    .flatMap((statement) => Object.values(statement.Condition ?? {}).flatMap((condition) => Object.values(condition)))
    .map((arn) => /^arn:aws:execute-api:[^:]*:[^:]*:([^/]+)/.exec(String(arn))?.[1])
    .filter((id): id is string => !!id);
  return [...new Set(ids)];
}

export function principalText(statement: Statement): string {
  return typeof statement.Principal === "string" ? statement.Principal : Object.values(statement.Principal).join(", ");
}
