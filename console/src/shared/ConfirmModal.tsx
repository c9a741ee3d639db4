import { FormField, Input } from "@cloudscape-design/components";
import { type ReactNode, useState } from "react";
import { EditModal } from "./EditModal";

interface Props {
  title: string;
  /** The button: "Delete", "Terminate". */
  action: string;
  children: ReactNode;
  /** A word to be typed first, for what cannot be taken back. */
  typed?: string;
  /** Does it; what it throws is shown in the dialog. */
  onConfirm(): Promise<unknown>;
  onClose(): void;
}

/** Asks before something is done that cannot be taken back. */
export function ConfirmModal({ title, action, children, typed, onConfirm, onClose }: Props) {
  const [text, setText] = useState("");
  return (
    <EditModal title={title} action={action} disabled={typed !== undefined && text !== typed} onSave={onConfirm} onClose={onClose}>
      <div style={{ overflowWrap: "anywhere" }}>{children}</div>
      {typed !== undefined && (
        <FormField label={`To confirm, type "${typed}".`}>
          <Input value={text} onChange={({ detail }) => setText(detail.value)} placeholder={typed} ariaRequired />
        </FormField>
      )}
    </EditModal>
  );
}
