import {
  CreateRegistryCommand,
  CreateSchemaCommand,
  DeleteSchemaCommand,
  DescribeSchemaCommand,
  type SchemasClient,
  UpdateSchemaCommand,
} from "@aws-sdk/client-schemas";

/** Named test events. Private ones stay in this browser; shareable ones are in the account's schema registry. */
export type Events = Record<string, string>;

const REGISTRY = "lambda-testevent-schemas";

function privateKey(account: string, region: string, name: string): string {
  return `undercast.test-events/${account}/${region}/${name}`;
}

export function privateEvents(account: string, region: string, name: string): Events {
  return JSON.parse(localStorage.getItem(privateKey(account, region, name)) ?? "{}") as Events;
}

export function keepPrivate(account: string, region: string, name: string, events: Events): void {
  localStorage.setItem(privateKey(account, region, name), JSON.stringify(events));
}

function schemaName(name: string): string {
  return `_${name}-schema`;
}

/** The shareable events of a function, where AWS's own tools (`sam remote test-event`) keep them too. */
export async function sharedEvents(schemas: SchemasClient, name: string): Promise<Events> {
  try {
    const schema = await schemas.send(new DescribeSchemaCommand({ RegistryName: REGISTRY, SchemaName: schemaName(name) }));
    const examples = JSON.parse(schema.Content!).components.examples as Record<string, { value: unknown }>;
    return Object.fromEntries(Object.entries(examples).map(([key, one]) => [key, JSON.stringify(one.value, null, 2)]));
  } catch (error) {
    if ((error as Error).name === "NotFoundException") return {};
    throw error;
  }
}

export async function keepShared(schemas: SchemasClient, name: string, events: Events): Promise<void> {
  const named = { RegistryName: REGISTRY, SchemaName: schemaName(name) };
  if (!Object.keys(events).length) {
    await schemas.send(new DeleteSchemaCommand(named));
    return;
  }
  const content = JSON.stringify({
    openapi: "3.0.0",
    info: { version: "1.0.0", title: "Event" },
    paths: {},
    components: {
      schemas: { Event: { type: "object" } },
      examples: Object.fromEntries(Object.entries(events).map(([key, text]) => [key, { value: JSON.parse(text) }])),
    },
  });
  try {
    await schemas.send(new UpdateSchemaCommand({ ...named, Type: "OpenApi3", Content: content }));
  } catch (error) {
    if ((error as Error).name !== "NotFoundException") throw error;
    await schemas.send(new CreateRegistryCommand({ RegistryName: REGISTRY })).catch((taken: Error) => {
      if (taken.name !== "ConflictException") throw taken;
    });
    await schemas.send(new CreateSchemaCommand({ ...named, Type: "OpenApi3", Content: content }));
  }
}
