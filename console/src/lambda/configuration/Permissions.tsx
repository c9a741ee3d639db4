import { AddPermissionCommand, LambdaClient, RemovePermissionCommand } from "@aws-sdk/client-lambda";
import { Box, Button, Container, FormField, Header, Input, SpaceBetween, Table } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { Copyable, Details } from "../../shared/details";
import { useFlash } from "../../shared/flash";
import { principalText, type Statement } from "../function";
import type { PartProps } from "./Configuration";
import { EditModal } from "../../shared/EditModal";

/** The execution role, and who else may invoke the function. */
export function Permissions({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [chosen, setChosen] = useState<Statement[]>([]);
  const [adding, setAdding] = useState(false);

  async function remove() {
    await flash.attempt({ doing: "remove the permission", done: `Removed the statement ${chosen[0].Sid}.` }, () =>
      lambda.send(new RemovePermissionCommand({ FunctionName: view.name, Qualifier: view.qualifier, StatementId: chosen[0].Sid })),
    );
    setChosen([]);
    await onChanged();
  }

  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Execution role</Header>}>
        <Details columns={1} items={[["Role", <Copyable text={view.configuration.Role} />]]} />
      </Container>
      <Table
        items={view.statements}
        trackBy="Sid"
        selectionType="single"
        selectedItems={chosen}
        onSelectionChange={({ detail }) => setChosen(detail.selectedItems)}
        ariaLabels={{ selectionGroupLabel: "Policy statements", itemSelectionLabel: (_, item) => `Select ${item.Sid}`, tableLabel: "Policy statements" }}
        header={
          <Header
            variant="h2"
            counter={`(${view.statements.length})`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button disabled={!chosen.length} onClick={() => void remove()}>
                  Delete
                </Button>
                <Button onClick={() => setAdding(true)}>Add permissions</Button>
              </SpaceBetween>
            }
          >
            Resource-based policy statements
          </Header>
        }
        columnDefinitions={[
          { id: "sid", header: "Statement ID", cell: (one) => one.Sid },
          { id: "principal", header: "Principal", cell: principalText },
          { id: "conditions", header: "Conditions", cell: (one) => (one.Condition ? Object.keys(one.Condition).join(", ") : "None") },
          { id: "action", header: "Action", cell: (one) => one.Action },
        ]}
        empty={<Box color="text-body-secondary">No statements</Box>}
      />
      {adding && (
        <AddPermission
          onClose={() => setAdding(false)}
          onAdd={async (statement) => {
            await lambda.send(new AddPermissionCommand({ FunctionName: view.name, Qualifier: view.qualifier, ...statement }));
            flash.success(`Added the statement ${statement.StatementId}.`);
            await onChanged();
          }}
        />
      )}
    </SpaceBetween>
  );
}

interface NewStatement {
  StatementId: string;
  Action: string;
  Principal: string;
  SourceArn: string | undefined;
}

function AddPermission({ onAdd, onClose }: { onAdd(statement: NewStatement): Promise<void>; onClose(): void }) {
  const [sid, setSid] = useState("");
  const [principal, setPrincipal] = useState("apigateway.amazonaws.com");
  const [source, setSource] = useState("");
  return (
    <EditModal
      title="Add permissions"
      action="Add permissions"
      disabled={!sid || !principal}
      onClose={onClose}
      onSave={() => onAdd({ StatementId: sid, Action: "lambda:InvokeFunction", Principal: principal, SourceArn: source || undefined })}
    >
      <FormField label="Statement ID">
        <Input value={sid} onChange={({ detail }) => setSid(detail.value)} />
      </FormField>
      <FormField label="Principal" description="A service, an account number, or an ARN.">
        <Input value={principal} onChange={({ detail }) => setPrincipal(detail.value)} />
      </FormField>
      <FormField label="Source ARN" description="Optional">
        <Input value={source} onChange={({ detail }) => setSource(detail.value)} />
      </FormField>
    </EditModal>
  );
}
