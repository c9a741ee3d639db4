/** Runtimes to choose from, and the code a new function begins with. */

export interface RuntimeChoice {
  value: string;
  label: string;
  handler: string;
  file: string;
  template: string;
}

const PYTHON = `import json

def lambda_handler(event, context):
    # TODO implement
    return {
        'statusCode': 200,
        'body': json.dumps('Hello from Lambda!')
    }
`;

const NODE = `export const handler = async (event) => {
  // TODO implement
  const response = {
    statusCode: 200,
    body: JSON.stringify('Hello from Lambda!'),
  };
  return response;
};
`;

const BOOTSTRAP = `#!/bin/sh
set -eu
while true; do
  headers=$(mktemp)
  event=$(curl -sS -LD "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d '"Hello from Lambda!"' >/dev/null
done
`;

export const RUNTIMES: RuntimeChoice[] = [
  ...[14, 13, 12, 11, 10, 9].map((minor) => ({
    value: `python3.${minor}`,
    label: `Python 3.${minor}`,
    handler: "lambda_function.lambda_handler",
    file: "lambda_function.py",
    template: PYTHON,
  })),
  ...[24, 22, 20].map((major) => ({
    value: `nodejs${major}.x`,
    label: `Node.js ${major}.x`,
    handler: "index.handler",
    file: "index.mjs",
    template: NODE,
  })),
  { value: "provided.al2023", label: "Amazon Linux 2023", handler: "hello.handler", file: "bootstrap", template: BOOTSTRAP },
  { value: "provided.al2", label: "Amazon Linux 2", handler: "hello.handler", file: "bootstrap", template: BOOTSTRAP },
];

export function runtimeLabel(runtime: string | undefined): string {
  return RUNTIMES.find((one) => one.value === runtime)?.label ?? runtime ?? "–";
}
