import { CreateKeyPairCommand, DeleteKeyPairCommand, DescribeKeyPairsCommand, EC2Client, ImportKeyPairCommand, type KeyPairInfo } from "@aws-sdk/client-ec2";
import { Button, FormField, Input, RadioGroup, SpaceBetween, Textarea } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";

/** The list of key pairs. */
export function KeyPairs() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [dialog, setDialog] = useState<"create" | "import">();
  const [deleting, setDeleting] = useState<KeyPairInfo[]>();
  const live = useLive(async () => (await ec2.send(new DescribeKeyPairsCommand({}))).KeyPairs ?? [], [ec2]);
  const create = (
    <Button variant="primary" onClick={() => setDialog("create")}>
      Create key pair
    </Button>
  );
  return (
    <>
      <ResourceTable
        title="Key pairs"
        noun="key pair"
        variant="full-page"
        live={live}
        selection="multi"
        id={(key) => key.KeyPairId!}
        columns={[
          { id: "name", header: "Name", cell: (key) => key.KeyName, text: (key) => key.KeyName! },
          { id: "type", header: "Type", cell: (key) => key.KeyType, text: (key) => key.KeyType ?? "" },
          { id: "created", header: "Created", cell: (key) => when(key.CreateTime), text: (key) => key.CreateTime?.getTime() ?? 0 },
          { id: "fingerprint", header: "Fingerprint", cell: (key) => key.KeyFingerprint, text: (key) => key.KeyFingerprint ?? "" },
          { id: "id", header: "ID", cell: (key) => key.KeyPairId, text: (key) => key.KeyPairId! },
        ]}
        create={create}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete
            </Button>
            <Button onClick={() => setDialog("import")}>Import key pair</Button>
            {create}
          </SpaceBetween>
        )}
      />
      {dialog === "create" && (
        <CreateKeyPair
          onClose={() => setDialog(undefined)}
          onCreated={() => {
            setDialog(undefined);
            void live.refresh();
          }}
        />
      )}
      {dialog === "import" && (
        <ImportKeyPair
          onClose={() => setDialog(undefined)}
          onImported={() => {
            setDialog(undefined);
            void live.refresh();
          }}
        />
      )}
      {deleting && (
        <ConfirmModal
          title="Delete key pairs"
          action="Delete"
          typed="Delete"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const key of deleting) await ec2.send(new DeleteKeyPairCommand({ KeyPairId: key.KeyPairId }));
            flash.success(`Deleted ${deleting.length} key pair(s).`);
            await live.refresh();
          }}
        >
          Instances that were launched with it keep it: <b>{deleting.map((key) => key.KeyName).join(", ")}</b>
        </ConfirmModal>
      )}
    </>
  );
}

/** Make a key pair and download the private half, which is given this once. */
export function CreateKeyPair({ onCreated, onClose }: { onCreated(name: string): void; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [type, setType] = useState("rsa");
  const [format, setFormat] = useState("pem");

  async function create() {
    await flash.attempt({ doing: "create the key pair", done: `Successfully created key pair ${name}. Its private key is in your downloads, and nowhere else.` }, async () => {
      const made = await ec2.send(new CreateKeyPairCommand({ KeyName: name, KeyType: type as "rsa", KeyFormat: format as "pem" }));
      // OpenSSH reads a key only when its last line has an end.
      save(`${name}.${format}`, `${made.KeyMaterial!.trimEnd()}\n`);
      onCreated(name);
    });
  }

  return (
    <EditModal title="Create key pair" action="Create key pair" disabled={!name} onClose={onClose} onSave={() => void create()}>
      <FormField label="Key pair name" description="Key pairs allow you to connect to your instance securely.">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="Enter key pair name" />
      </FormField>
      <FormField label="Key pair type">
        <RadioGroup
          value={type}
          onChange={({ detail }) => setType(detail.value)}
          items={[
            { value: "rsa", label: "RSA", description: "RSA encrypted private and public key pair" },
            { value: "ed25519", label: "ED25519", description: "ED25519 encrypted private and public key pair" },
          ]}
        />
      </FormField>
      <FormField label="Private key file format">
        <RadioGroup
          value={format}
          onChange={({ detail }) => setFormat(detail.value)}
          items={[
            { value: "pem", label: ".pem", description: "For use with OpenSSH" },
            { value: "ppk", label: ".ppk", description: "For use with PuTTY" },
          ]}
        />
      </FormField>
    </EditModal>
  );
}

function ImportKeyPair({ onImported, onClose }: { onImported(): void; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [material, setMaterial] = useState("");
  return (
    <EditModal
      title="Import key pair"
      action="Import key pair"
      disabled={!name || !material}
      onClose={onClose}
      onSave={async () => {
        const done = await flash.attempt({ doing: "import the key pair", done: `Successfully imported key pair ${name}.` }, () =>
          ec2.send(new ImportKeyPairCommand({ KeyName: name, PublicKeyMaterial: new TextEncoder().encode(material) })),
        );
        if (done) onImported();
      }}
    >
      <FormField label="Name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      <FormField label="Public key">
        <Textarea value={material} onChange={({ detail }) => setMaterial(detail.value)} placeholder="ssh-ed25519 AAAA..." rows={5} />
      </FormField>
    </EditModal>
  );
}

function save(file: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = file;
  link.click();
  URL.revokeObjectURL(url);
}
