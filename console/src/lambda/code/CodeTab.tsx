import { LambdaClient, UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand, waitUntilFunctionUpdatedV2 } from "@aws-sdk/client-lambda";
import {
  Alert,
  Badge,
  Box,
  Button,
  Container,
  Grid,
  Header,
  Input,
  SpaceBetween,
  FormField,
  Select,
} from "@cloudscape-design/components";
import { useEffect, useState } from "react";
import { useClient } from "../../aws/clients";
import { useLive } from "../../aws/useLive";
import { Copyable, Details, Loaded, bytes, when } from "../../shared/details";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import type { FunctionView } from "../function";
import { runtimeLabel, RUNTIMES } from "../runtimes";
import { download, type Files, pack, textOf, toBytes } from "./archive";
import { Editor } from "./Editor";
import { LayersPanel } from "./LayersPanel";
import { UploadZip } from "./UploadZip";

interface Props {
  view: FunctionView;
  onChanged(): Promise<void>;
  /** Whether there are changes that are not deployed. */
  onEdited(edited: boolean): void;
  onTest(): void;
}

/** The function's source: a file tree, an editor, Deploy. */
export function CodeTab({ view, part, onChanged, onEdited, onTest }: Props & { part: string | undefined }) {
  const sha = view.configuration.CodeSha256;
  // Fetched once for each package: what is being edited is not overwritten by a refresh.
  const live = useLive(async () => (view.codeUrl ? download(view.codeUrl) : {}), [sha], 3_600_000);
  return (
    <SpaceBetween size="l">
      <Loaded live={live}>{(files) => <Source key={sha} view={view} files={files} onChanged={onChanged} onEdited={onEdited} onTest={onTest} />}</Loaded>
      <Container header={<Header variant="h2">Code properties</Header>}>
        <Details
          items={[
            ["Package size", bytes(view.configuration.CodeSize)],
            ["SHA256 hash", <Copyable text={sha} />],
            ["Last modified", when(view.configuration.LastModified)],
          ]}
        />
      </Container>
      <RuntimeSettings view={view} onChanged={onChanged} />
      <LayersPanel view={view} shown={part === "layers"} onChanged={onChanged} />
    </SpaceBetween>
  );
}

/** What was edited and is not deployed, by function and package: it stays while other pages are looked at. */
const kept = new Map<string, Files>();

function Source({ view, files, onChanged, onEdited, onTest }: Props & { files: Files }) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const readOnly = view.configuration.Version !== "$LATEST";
  const draft = `${view.configuration.FunctionArn} ${view.configuration.CodeSha256}`;
  const [edited, setEdited] = useState<Files>(kept.get(draft) ?? files);
  const [open, setOpen] = useState(() => mainFile(Object.keys(files), view.configuration.Handler));
  const [busy, setBusy] = useState(false);
  const [newName, setNewName] = useState("");
  const [uploading, setUploading] = useState(false);
  const changed = Object.keys({ ...files, ...edited }).filter((path) => files[path] !== edited[path] && !same(files[path], edited[path]));
  const dirty = changed.length > 0;
  const content = open === undefined ? undefined : edited[open];
  const text = content && textOf(content);

  useEffect(() => {
    onEdited(dirty);
    if (!dirty) {
      kept.delete(draft);
      return;
    }
    kept.set(draft, edited);
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [dirty, edited]);

  async function deploy() {
    if (!dirty || busy) return;
    setBusy(true);
    const done = await flash.attempt({ doing: "deploy the code", done: `Successfully updated the function ${view.name}.` }, async () => {
      await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: view.name, ZipFile: pack(edited) }));
      await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName: view.name });
    });
    setBusy(false);
    if (done) await onChanged();
  }

  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="xs" alignItems="center">
              {dirty && <Badge color="red">Changes not deployed</Badge>}
              <Button disabled={readOnly} onClick={() => setUploading(true)}>
                Upload .zip file
              </Button>
              <Button onClick={onTest}>Test</Button>
              <Button disabled={!dirty} onClick={() => setEdited(files)}>
                Revert
              </Button>
              <Button variant="primary" disabled={!dirty || readOnly} loading={busy} onClick={() => void deploy()}>
                Deploy
              </Button>
            </SpaceBetween>
          }
        >
          Code source
        </Header>
      }
    >
      {uploading && <UploadZip name={view.name} onChanged={onChanged} onClose={() => setUploading(false)} />}
      {readOnly && <Alert>You can only edit your function code from the unpublished function ($LATEST).</Alert>}
      <Grid gridDefinition={[{ colspan: { default: 12, s: 3 } }, { colspan: { default: 12, s: 9 } }]}>
        <SpaceBetween size="xs">
          <nav aria-label="Files of the function">
            {Object.keys(edited)
              .sort()
              .map((path) => (
                <div key={path} style={{ display: "flex", alignItems: "center" }}>
                  <Button variant="inline-link" onClick={() => setOpen(path)} ariaLabel={`Open ${path}`}>
                    <span style={{ fontWeight: path === open ? 700 : 400 }}>
                      {path}
                      {changed.includes(path) && " ●"}
                    </span>
                  </Button>
                  {!readOnly && path === open && (
                    <Button
                      variant="icon"
                      iconName="remove"
                      ariaLabel={`Delete ${path}`}
                      onClick={() => {
                        const { [path]: _, ...rest } = edited;
                        setEdited(rest);
                        setOpen(Object.keys(rest)[0]);
                      }}
                    />
                  )}
                </div>
              ))}
          </nav>
          {!readOnly && (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                if (!newName || edited[newName]) return;
                setEdited({ ...edited, [newName]: toBytes("") });
                setOpen(newName);
                setNewName("");
              }}
            >
              <Input value={newName} onChange={({ detail }) => setNewName(detail.value)} placeholder="New file" ariaLabel="Name of a new file" />
            </form>
          )}
        </SpaceBetween>
        {open === undefined ? (
          <Box color="text-body-secondary">No file is open</Box>
        ) : text === undefined ? (
          <Box color="text-body-secondary">{open} is no text, or too large to be edited here.</Box>
        ) : (
          <Editor
            name={open}
            label={`Source of ${open}`}
            value={text}
            onChange={(value) => setEdited((old) => ({ ...old, [open]: toBytes(value) }))}
            onSave={() => void deploy()}
          />
        )}
      </Grid>
    </Container>
  );
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return !!a && !!b && a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function mainFile(paths: string[], handler: string | undefined): string | undefined {
  const module = handler?.split(".").slice(0, -1).join("/");
  return paths.find((path) => module && path.replace(/\.[^.]+$/, "") === module) ?? paths.find((path) => path === "bootstrap") ?? paths.sort()[0];
}

function RuntimeSettings({ view, onChanged }: { view: FunctionView; onChanged(): Promise<void> }) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [editing, setEditing] = useState(false);
  const [runtime, setRuntime] = useState<string>(view.configuration.Runtime ?? "");
  const [handler, setHandler] = useState(view.configuration.Handler ?? "");

  async function save() {
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: view.name, Runtime: runtime as never, Handler: handler }));
    flash.success(`Successfully updated the function ${view.name}.`);
    await onChanged();
  }

  return (
    <Container
      header={
        <Header variant="h2" actions={<Button onClick={() => setEditing(true)}>Edit</Button>}>
          Runtime settings
        </Header>
      }
    >
      <Details
        items={[
          ["Runtime", runtimeLabel(view.configuration.Runtime)],
          ["Handler", view.configuration.Handler],
          ["Architecture", view.configuration.Architectures?.join(", ")],
        ]}
      />
      {editing && (
        <EditModal title="Edit runtime settings" onSave={save} onClose={() => setEditing(false)}>
          <FormField label="Runtime">
            <Select
              selectedOption={{ value: runtime, label: runtimeLabel(runtime) }}
              options={RUNTIMES.map(({ value, label }) => ({ value, label }))}
              onChange={({ detail }) => setRuntime(detail.selectedOption.value!)}
            />
          </FormField>
          <FormField label="Handler">
            <Input value={handler} onChange={({ detail }) => setHandler(detail.value)} />
          </FormField>
        </EditModal>
      )}
    </Container>
  );
}
