import { Box, Button, Container, Header } from "@cloudscape-design/components";
import { useState } from "react";
import { Details } from "./details";
import { EditModal } from "./EditModal";
import { useFlash } from "./flash";
import { type Pair, Pairs } from "./Pairs";

interface Props {
  tags: Pair[];
  /** Give the resource these tags, and take the keys away that are gone. */
  onSave(wanted: Pair[], gone: string[]): Promise<void>;
  onChanged(): Promise<void>;
}

/** Tags of any resource, and the dialog that edits them. */
export function TagsPanel({ tags, onSave, onChanged }: Props) {
  const flash = useFlash();
  const [edited, setEdited] = useState<Pair[]>();

  async function save() {
    const wanted = edited!.filter(([key]) => key);
    const keys = new Set(wanted.map(([key]) => key));
    await onSave(
      wanted,
      tags.map(([key]) => key).filter((key) => !keys.has(key)),
    );
    flash.success("The tags were changed.");
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
        <EditModal title="Manage tags" size="large" onSave={save} onClose={() => setEdited(undefined)}>
          <Pairs noun="tag" pairs={edited} onChange={setEdited} />
        </EditModal>
      )}
    </Container>
  );
}
