import { Alert, Box, Button, Modal, SpaceBetween } from "@cloudscape-design/components";
import type { ReactNode } from "react";
import { awsError } from "../aws/errors";

interface Props {
  title: string;
  /** The button. Default: "Save". */
  action?: string;
  /** What saving threw: told in the dialog, where it can be mended. */
  error?: unknown;
  busy?: boolean;
  disabled?: boolean;
  onSave(): void;
  onClose(): void;
  children: ReactNode;
}

/** The dialog in which a part of the configuration is edited. */
export function EditModal({ title, action = "Save", error, busy, disabled, onSave, onClose, children }: Props) {
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
            <Button variant="primary" loading={busy} disabled={disabled} onClick={onSave}>
              {action}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled && !busy) onSave();
        }}
      >
        <SpaceBetween size="m">
          {children}
          {failure && (
            <Alert type="error" header={failure.code}>
              {failure.message}
            </Alert>
          )}
        </SpaceBetween>
      </form>
    </Modal>
  );
}
