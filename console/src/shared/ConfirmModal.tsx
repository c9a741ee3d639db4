import { Alert, Box, Button, FormField, Input, Modal, SpaceBetween } from "@cloudscape-design/components";
import { type ReactNode, useState } from "react";
import { awsError } from "../aws/errors";

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
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  async function confirm() {
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  }

  const failure = error === undefined ? undefined : awsError(error);
  return (
    <Modal
      visible
      header={title}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={typed !== undefined && text !== typed} onClick={() => void confirm()}>
              {action}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {children}
        {typed !== undefined && (
          <FormField label={`To confirm, type "${typed}".`}>
            <Input value={text} onChange={({ detail }) => setText(detail.value)} placeholder={typed} ariaRequired />
          </FormField>
        )}
        {failure && (
          <Alert type="error" header={failure.code}>
            {failure.message}
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}
