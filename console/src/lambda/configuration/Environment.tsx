import { Box, Button, Container, Header } from "@cloudscape-design/components";
import { useState } from "react";
import { Details } from "../../shared/details";
import type { PartProps } from "./Configuration";
import { EditModal } from "../../shared/EditModal";
import { type Pair, Pairs } from "../../shared/Pairs";
import { useConfigurationUpdate } from "./useConfigurationUpdate";

/** Environment variables. */
export function Environment(props: PartProps) {
  const variables = Object.entries(props.view.configuration.Environment?.Variables ?? {});
  const update = useConfigurationUpdate(props);
  const [edited, setEdited] = useState<Pair[]>();
  const save = () => update({ Environment: { Variables: Object.fromEntries(edited!.filter(([key]) => key)) } });

  return (
    <Container
      header={
        <Header variant="h2" counter={`(${variables.length})`} actions={<Button onClick={() => setEdited(variables)}>Edit</Button>}>
          Environment variables
        </Header>
      }
    >
      {variables.length ? <Details items={variables} /> : <Box color="text-body-secondary">No environment variables</Box>}
      {edited && (
        <EditModal title="Edit environment variables" size="large" onSave={save} onClose={() => setEdited(undefined)}>
          <Pairs noun="environment variable" pairs={edited} onChange={setEdited} />
        </EditModal>
      )}
    </Container>
  );
}
