import { LambdaClient, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-lambda";
import { useClient } from "../../aws/clients";
import { TagsPanel } from "../../shared/TagsPanel";
import type { PartProps } from "./Configuration";

/** Tags of the function. */
export function Tags({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  // Tags are of the function, not of a version of it.
  const Resource = view.configuration.FunctionArn!.split(":").slice(0, 7).join(":");
  return (
    <TagsPanel
      tags={Object.entries(view.tags)}
      onChanged={onChanged}
      onSave={async (wanted, gone) => {
        if (gone.length) await lambda.send(new UntagResourceCommand({ Resource, TagKeys: gone }));
        if (wanted.length) await lambda.send(new TagResourceCommand({ Resource, Tags: Object.fromEntries(wanted) }));
      }}
    />
  );
}
