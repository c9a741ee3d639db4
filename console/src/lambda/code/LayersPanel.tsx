import { LambdaClient, type LayersListItem, type LayerVersionsListItem, paginateListLayers, paginateListLayerVersions } from "@aws-sdk/client-lambda";
import { Box, Button, FormField, Header, Input, RadioGroup, Select, SpaceBetween, Table } from "@cloudscape-design/components";
import { useEffect, useRef, useState } from "react";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { Copyable } from "../../shared/details";
import { EditModal } from "../../shared/EditModal";
import { RemoveButton } from "../../shared/RemoveButton";
import type { PartProps } from "../configuration/Configuration";
import { useConfigurationUpdate } from "../configuration/useConfigurationUpdate";

interface Row {
  order: number;
  arn: string;
}

/** The layers of the function, in the order in which they are merged. `shown`: scroll to it. */
export function LayersPanel({ shown, ...props }: PartProps & { shown: boolean }) {
  const update = useConfigurationUpdate(props);
  const place = useRef<HTMLDivElement>(null);
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<Row[]>([]);
  const rows = (props.view.configuration.Layers ?? []).map((layer, index): Row => ({ order: index + 1, arn: layer.Arn! }));
  const arns = rows.map((row) => row.arn);

  useEffect(() => {
    if (shown) place.current?.scrollIntoView({ block: "center" });
  }, [shown]);

  return (
    <div ref={place}>
      <Table
        items={rows}
        trackBy="arn"
        selectionType="multi"
        selectedItems={chosen}
        onSelectionChange={({ detail }) => setChosen(detail.selectedItems)}
        ariaLabels={{ tableLabel: "Layers", selectionGroupLabel: "Layers", allItemsSelectionLabel: () => "Select all layers", itemSelectionLabel: (_, row) => `Select ${row.arn}` }}
        header={
          <Header
            variant="h2"
            counter={`(${rows.length})`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <RemoveButton
                  items={chosen}
                  noun="layer"
                  name={(row) => nameOf(row.arn)}
                  action="Remove"
                  done="removed"
                  remove={(row) => update({ Layers: arns.filter((arn) => arn !== row.arn) })}
                  onChanged={async () => setChosen([])}
                >
                  The function no longer finds what is in it.
                </RemoveButton>
                <Button onClick={() => setAdding(true)}>Add a layer</Button>
              </SpaceBetween>
            }
          >
            Layers
          </Header>
        }
        columnDefinitions={[
          { id: "order", header: "Merge order", cell: (row) => row.order },
          { id: "name", header: "Name", cell: (row) => nameOf(row.arn) },
          { id: "version", header: "Layer version", cell: (row) => row.arn.split(":")[7] },
          { id: "arn", header: "Version ARN", cell: (row) => <Copyable text={row.arn} /> },
        ]}
        empty={<Box color="text-body-secondary">There is no layer to display.</Box>}
      />
      {adding && <AddLayer onClose={() => setAdding(false)} onAdd={(arn) => update({ Layers: [...arns, arn] })} />}
    </div>
  );
}

function nameOf(arn: string): string {
  return arn.split(":")[6];
}

function AddLayer({ onAdd, onClose }: { onAdd(arn: string): Promise<void>; onClose(): void }) {
  const lambda = useClient(LambdaClient);
  const [source, setSource] = useState("custom");
  const [layer, setLayer] = useState<LayersListItem>();
  const [version, setVersion] = useState<LayerVersionsListItem>();
  const [typed, setTyped] = useState("");
  const layers = useLive(() => allPages(paginateListLayers({ client: lambda }, {}), (page) => page.Layers), [lambda], 30_000);
  const versions = useLive(
    async () => (layer ? allPages(paginateListLayerVersions({ client: lambda }, { LayerName: layer.LayerName }), (page) => page.LayerVersions) : []),
    [lambda, layer?.LayerName],
    30_000,
  );
  const arn = source === "custom" ? version?.LayerVersionArn : typed.trim();

  return (
    <EditModal title="Add layer" action="Add" disabled={!arn} onSave={() => onAdd(arn!)} onClose={onClose}>
      <FormField label="Layer source">
        <RadioGroup
          value={source}
          onChange={({ detail }) => setSource(detail.value)}
          items={[
            { value: "custom", label: "Custom layers", description: "Choose a layer of this account." },
            { value: "arn", label: "Specify an ARN", description: "Choose a layer by its version's ARN." },
          ]}
        />
      </FormField>
      {source === "arn" ? (
        <FormField label="Layer version ARN">
          <Input value={typed} onChange={({ detail }) => setTyped(detail.value)} placeholder="arn:aws:lambda:...:layer:name:1" />
        </FormField>
      ) : (
        <>
          <FormField label="Custom layers" errorText={layers.error?.message}>
            <Select
              selectedOption={layer ? { value: layer.LayerName, label: layer.LayerName } : null}
              options={(layers.data ?? []).map((one) => ({ value: one.LayerName, label: one.LayerName }))}
              onChange={({ detail }) => {
                setLayer(layers.data?.find((one) => one.LayerName === detail.selectedOption.value));
                setVersion(undefined);
              }}
              placeholder="Choose"
              empty="There is no layer yet"
            />
          </FormField>
          <FormField label="Version" errorText={versions.error?.message}>
            <Select
              disabled={!layer}
              selectedOption={version ? { value: String(version.Version), label: String(version.Version) } : null}
              options={(versions.data ?? []).map((one) => ({ value: String(one.Version), label: String(one.Version), description: one.Description }))}
              onChange={({ detail }) => setVersion(versions.data?.find((one) => String(one.Version) === detail.selectedOption.value))}
              placeholder="Choose"
            />
          </FormField>
        </>
      )}
    </EditModal>
  );
}
