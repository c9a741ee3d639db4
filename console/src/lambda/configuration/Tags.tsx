import { LambdaClient, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-lambda";
import { Box, Button, Container, Header } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { Details } from "../../shared/details";
import { useFlash } from "../../shared/flash";
import type { PartProps } from "./Configuration";
import { EditModal } from "../../shared/EditModal";
import { type Pair, Pairs } from "../../shared/Pairs";

/** Tags of the function. */
export function Tags({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [edited, setEdited] = useState<Pair[]>();
  const tags = Object.entries(view.tags);

  async function save() {
    // Tags are of the function, not of a version of it.
    const Resource = view.configuration.FunctionArn!.split(":").slice(0, 7).join(":");
    const wanted = Object.fromEntries(edited!.filter(([key]) => key));
    const gone = Object.keys(view.tags).filter((key) => !(key in wanted));
    const done = await flash.attempt({ doing: "change the tags", done: "The tags were changed." }, async () => {
      if (gone.length) await lambda.send(new UntagResourceCommand({ Resource, TagKeys: gone }));
      if (Object.keys(wanted).length) await lambda.send(new TagResourceCommand({ Resource, Tags: wanted }));
    });
    if (done) setEdited(undefined);
    await onChanged();
  }

  return (
    <Container
      header={
        <Header variant="h2" counter={`(${tags.length})`} actions={<Button onClick={() => setEdited(tags)}>Manage tags</Button>}>
          Tags
        </Header>
      }
    >
      {tags.length ? <Details items={tags} /> : <Box color="text-body-secondary">No tags</Box>}
      {edited && (
        <EditModal title="Manage tags" onSave={() => void save()} onClose={() => setEdited(undefined)}>
          <Pairs noun="tag" pairs={edited} onChange={setEdited} />
        </EditModal>
      )}
    </Container>
  );
}
