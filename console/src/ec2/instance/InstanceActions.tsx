import {
  CreateImageCommand,
  EC2Client,
  type Instance,
  ModifyInstanceAttributeCommand,
  RebootInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { ButtonDropdown, Checkbox, FormField, Input, Modal, SpaceBetween, Box, Button } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { ConfirmModal } from "../../shared/ConfirmModal";
import { useFlash } from "../../shared/flash";
import { EditModal } from "../../shared/EditModal";
import { InstanceTypePicker, useInstanceTypes } from "../InstanceTypePicker";
import { ConsoleOutput } from "./ConsoleOutput";

type Dialog = "terminate" | "stop" | "hibernate" | "image" | "type" | "console" | "protection";

/** The menu of instance states and actions, for what is selected. */
export function InstanceActions({ instances, onChanged }: { instances: Instance[]; onChanged(): Promise<void> }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [dialog, setDialog] = useState<Dialog>();
  const ids = instances.map((one) => one.InstanceId!);
  const named = ids.join(", ");
  const states = new Set(instances.map((one) => one.State?.Name));
  const one = instances.length === 1;

  async function act(id: string) {
    if (id === "start")
      await flash.attempt({ doing: `start ${named}`, done: `Successfully initiated starting of ${named}` }, () => ec2.send(new StartInstancesCommand({ InstanceIds: ids })));
    else if (id === "reboot")
      await flash.attempt({ doing: `reboot ${named}`, done: `Successfully initiated rebooting of ${named}` }, () => ec2.send(new RebootInstancesCommand({ InstanceIds: ids })));
    else setDialog(id as Dialog);
    await onChanged();
  }

  async function done(text: string, action: Promise<unknown>) {
    await action;
    flash.success(text);
    await onChanged();
  }

  return (
    <SpaceBetween direction="horizontal" size="xs">
      <ButtonDropdown
        disabled={!ids.length}
        onItemClick={({ detail }) => void act(detail.id)}
        items={[
          { id: "stop", text: "Stop instance", disabled: !states.has("running") },
          { id: "start", text: "Start instance", disabled: !states.has("stopped") },
          { id: "reboot", text: "Reboot instance", disabled: !states.has("running") },
          { id: "hibernate", text: "Hibernate instance", disabled: !states.has("running") || !instances.every((each) => each.HibernationOptions?.Configured) },
          { id: "terminate", text: "Terminate (delete) instance" },
        ]}
      >
        Instance state
      </ButtonDropdown>
      <ButtonDropdown
        disabled={!one}
        onItemClick={({ detail }) => void act(detail.id)}
        items={[
          { id: "image", text: "Create image" },
          { id: "type", text: "Change instance type", disabled: !states.has("stopped") },
          { id: "protection", text: "Change termination protection" },
          { id: "console", text: "Get system log" },
        ]}
      >
        Actions
      </ButtonDropdown>
      {dialog === "terminate" && (
        <ConfirmModal
          title="Terminate (delete) instance?"
          action="Terminate (delete)"
          onClose={() => setDialog(undefined)}
          onConfirm={() => done(`Successfully initiated termination (deletion) of ${named}`, ec2.send(new TerminateInstancesCommand({ InstanceIds: ids })))}
        >
          <Box>
            On an EBS-backed instance, the default action is for the root EBS volume to be deleted when the instance is terminated. Its data is gone then: <b>{named}</b>
          </Box>
        </ConfirmModal>
      )}
      {(dialog === "stop" || dialog === "hibernate") && (
        <ConfirmModal
          title={dialog === "stop" ? "Stop instance?" : "Hibernate instance?"}
          action={dialog === "stop" ? "Stop" : "Hibernate"}
          onClose={() => setDialog(undefined)}
          onConfirm={() =>
            done(`Successfully initiated ${dialog === "stop" ? "stopping" : "hibernation"} of ${named}`, ec2.send(new StopInstancesCommand({ InstanceIds: ids, Hibernate: dialog === "hibernate" })))
          }
        >
          <b>{named}</b>
        </ConfirmModal>
      )}
      {dialog === "image" && <CreateImage id={ids[0]} onClose={() => setDialog(undefined)} onChanged={onChanged} />}
      {dialog === "type" && <ChangeType instance={instances[0]} onClose={() => setDialog(undefined)} onChanged={onChanged} />}
      {dialog === "protection" && <Protection id={ids[0]} onClose={() => setDialog(undefined)} />}
      {dialog === "console" && (
        <Modal visible size="max" header={`System log: ${ids[0]}`} closeAriaLabel="Close" onDismiss={() => setDialog(undefined)} footer={<Button onClick={() => setDialog(undefined)}>Close</Button>}>
          <ConsoleOutput id={ids[0]} />
        </Modal>
      )}
    </SpaceBetween>
  );
}

function CreateImage({ id, onClose, onChanged }: { id: string; onClose(): void; onChanged(): Promise<void> }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [reboot, setReboot] = useState(true);
  return (
    <EditModal
      title="Create image"
      action="Create image"
      disabled={!name}
      onClose={onClose}
      onSave={async () => {
        const made = await ec2.send(new CreateImageCommand({ InstanceId: id, Name: name, Description: description || undefined, NoReboot: !reboot }));
        flash.success(`Currently creating AMI ${made.ImageId} from instance ${id}. Check that the AMI status is 'Available' before deleting the instance.`);
        await onChanged();
      }}
    >
      <FormField label="Image name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      <FormField label="Image description">
        <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
      </FormField>
      <Checkbox checked={reboot} onChange={({ detail }) => setReboot(detail.checked)} description="So that the file system in the image is whole.">
        Reboot instance
      </Checkbox>
    </EditModal>
  );
}

function ChangeType({ instance, onClose, onChanged }: { instance: Instance; onClose(): void; onChanged(): Promise<void> }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const types = useInstanceTypes();
  const [type, setType] = useState<string>(instance.InstanceType ?? "");
  return (
    <EditModal
      title="Change instance type"
      action="Change instance type"
      disabled={type === instance.InstanceType}
      onClose={onClose}
      onSave={async () => {
        await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: instance.InstanceId, InstanceType: { Value: type } }));
        flash.success(`Successfully changed the type of ${instance.InstanceId} to ${type}.`);
        await onChanged();
      }}
    >
      <InstanceTypePicker label="New instance type" types={types} value={type} onChange={setType} />
    </EditModal>
  );
}

function Protection({ id, onClose }: { id: string; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [on, setOn] = useState(true);
  return (
    <EditModal
      title="Change termination protection"
      action="Change termination protection"
      onClose={onClose}
      onSave={async () => {
        await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: id, DisableApiTermination: { Value: on } }));
        flash.success(`Successfully turned termination protection of ${id} ${on ? "on" : "off"}.`);
      }}
    >
      <SpaceBetween size="s">
        <Checkbox checked={on} onChange={({ detail }) => setOn(detail.checked)}>
          Enable termination protection
        </Checkbox>
      </SpaceBetween>
    </EditModal>
  );
}
