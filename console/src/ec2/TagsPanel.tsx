import { CreateTagsCommand, DeleteTagsCommand, EC2Client, type Tag } from "@aws-sdk/client-ec2";
import { Box, Button, Container, Header } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { EditModal } from "../shared/EditModal";
import { type Pair, Pairs } from "../shared/Pairs";
import { Details } from "../shared/details";
import { useFlash } from "../shared/flash";

/** Tags of any EC2 resource. */
export function TagsPanel({ id, tags, onChanged }: { id: string; tags: Tag[]; onChanged(): Promise<void> }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [edited, setEdited] = useState<Pair[]>();
  const pairs = tags.map((tag): Pair => [tag.Key ?? "", tag.Value ?? ""]);

  async function save() {
    const wanted = edited!.filter(([key]) => key);
    const gone = pairs.filter(([key]) => !wanted.some(([other]) => other === key));
    const done = await flash.attempt({ doing: "change the tags", done: "The tags were changed." }, async () => {
      if (gone.length) await ec2.send(new DeleteTagsCommand({ Resources: [id], Tags: gone.map(([Key]) => ({ Key })) }));
      if (wanted.length) await ec2.send(new CreateTagsCommand({ Resources: [id], Tags: wanted.map(([Key, Value]) => ({ Key, Value })) }));
    });
    if (done) setEdited(undefined);
    await onChanged();
  }

  return (
    <Container
      header={
        <Header variant="h2" counter={`(${tags.length})`} actions={<Button onClick={() => setEdited(pairs)}>Manage tags</Button>}>
          Tags
        </Header>
      }
    >
      {pairs.length ? <Details items={pairs} /> : <Box color="text-body-secondary">No tags</Box>}
      {edited && (
        <EditModal title="Manage tags" onSave={() => void save()} onClose={() => setEdited(undefined)}>
          <Pairs noun="tag" pairs={edited} onChange={setEdited} />
        </EditModal>
      )}
    </Container>
  );
}
