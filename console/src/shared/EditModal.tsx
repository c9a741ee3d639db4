import { Box, Button, Modal, SpaceBetween } from "@cloudscape-design/components";
import type { ReactNode } from "react";

interface Props {
  title: string;
  busy?: boolean;
  disabled?: boolean;
  onSave(): void;
  onClose(): void;
  children: ReactNode;
}

/** The dialog in which a part of the configuration is edited. */
export function EditModal({ title, busy, disabled, onSave, onClose, children }: Props) {
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
              Save
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
        <SpaceBetween size="m">{children}</SpaceBetween>
      </form>
    </Modal>
  );
}
