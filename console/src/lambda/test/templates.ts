/** Events to begin with, by AWS's names for them. */
const EVENTS: Record<string, unknown> = {
  "hello-world": { key1: "value1", key2: "value2", key3: "value3" },
  "API Gateway HTTP API": {
    version: "2.0",
    routeKey: "$default",
    rawPath: "/path/to/resource",
    rawQueryString: "parameter1=value1&parameter2=value",
    cookies: ["cookie1", "cookie2"],
    headers: { Header1: "value1", Header2: "value1,value2" },
    queryStringParameters: { parameter1: "value1", parameter2: "value" },
    requestContext: {
      accountId: "123456789012",
      apiId: "api-id",
      domainName: "id.execute-api.us-east-1.amazonaws.com",
      domainPrefix: "id",
      http: { method: "POST", path: "/path/to/resource", protocol: "HTTP/1.1", sourceIp: "192.168.0.1/32", userAgent: "agent" },
      requestId: "id",
      routeKey: "$default",
      stage: "$default",
      time: "12/Mar/2020:19:03:58 +0000",
      timeEpoch: 1583348638390,
    },
    body: "eyJ0ZXN0IjoiYm9keSJ9",
    pathParameters: { parameter1: "value1" },
    isBase64Encoded: true,
    stageVariables: { stageVariable1: "value1", stageVariable2: "value2" },
  },
};

export const TEMPLATES: Record<string, string> = Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, JSON.stringify(event, null, 2)]));

/** The one a new event begins with. */
export const FIRST = "hello-world";
