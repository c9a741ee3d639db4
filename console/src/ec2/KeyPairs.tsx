import { CreateKeyPairCommand, DeleteKeyPairCommand, DescribeKeyPairsCommand, EC2Client, ImportKeyPairCommand } from "@aws-sdk/client-ec2";
import { Button, FormField, Input, RadioGroup, Textarea } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";

/** The list of key pairs. */
export function KeyPairs() {
  const ec2 = useClient(EC2Client);
  const [dialog, setDialog] = useState<"create" | "import">();
  const live = useLive(async () => (await ec2.send(new DescribeKeyPairsCommand({}))).KeyPairs ?? [], [ec2]);
  const close = () => setDialog(undefined);
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
          { id: "name", header: "Name", text: (key) => key.KeyName },
          { id: "type", header: "Type", text: (key) => key.KeyType },
          { id: "created", header: "Created", cell: (key) => when(key.CreateTime), text: (key) => key.CreateTime?.getTime() },
          { id: "fingerprint", header: "Fingerprint", text: (key) => key.KeyFingerprint },
          { id: "id", header: "ID", text: (key) => key.KeyPairId },
        ]}
        create={
          <Button variant="primary" onClick={() => setDialog("create")}>
            Create key pair
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="key pair"
              name={(key) => key.KeyName!}
              typed="Delete"
              remove={(key) => ec2.send(new DeleteKeyPairCommand({ KeyPairId: key.KeyPairId }))}
              onChanged={live.refresh}
            >
              Instances that were launched with it keep it.
            </RemoveButton>
            <Button onClick={() => setDialog("import")}>Import key pair</Button>
          </>
        )}
      />
      {dialog === "create" && <CreateKeyPair onClose={close} onCreated={live.refresh} />}
      {dialog === "import" && <ImportKeyPair onClose={close} onImported={live.refresh} />}
    </>
  );
}

/** Make a key pair and download the private half, which is given this once. */
export function CreateKeyPair({ onCreated, onClose }: { onCreated(name: string): unknown; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [type, setType] = useState("rsa");
  const [format, setFormat] = useState("pem");

  async function create() {
    const made = await ec2.send(new CreateKeyPairCommand({ KeyName: name, KeyType: type as "rsa", KeyFormat: format as "pem" }));
    // OpenSSH reads a key only when its last line has an end.
    save(`${name}.${format}`, `${made.KeyMaterial!.trimEnd()}\n`);
    flash.success(`Successfully created key pair ${name}. Its private key is in your downloads, and nowhere else.`);
    await onCreated(name);
  }

  return (
    <EditModal title="Create key pair" action="Create key pair" disabled={!name} onClose={onClose} onSave={create}>
      <FormField label="Key pair name" description="Key pairs allow you to connect to your instance securely." constraintText="Up to 255 ASCII characters, without spaces at its ends.">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="Enter key pair name" autoFocus />
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

function ImportKeyPair({ onImported, onClose }: { onImported(): Promise<void>; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [material, setMaterial] = useState("");

  async function send() {
    await ec2.send(new ImportKeyPairCommand({ KeyName: name, PublicKeyMaterial: new TextEncoder().encode(material) }));
    flash.success(`Successfully imported key pair ${name}.`);
    await onImported();
  }

  return (
    <EditModal title="Import key pair" action="Import key pair" disabled={!name || !material} onClose={onClose} onSave={send}>
      <FormField label="Name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} autoFocus />
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
