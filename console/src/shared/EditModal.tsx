import { Box, Button, Modal, type ModalProps, SpaceBetween } from "@cloudscape-design/components";
import { type ReactNode, useId } from "react";
import { Failure } from "./Failure";
import { useAction } from "./useAction";

interface Props {
  title: string;
  /** The button. Default: "Save". */
  action?: string;
  size?: ModalProps.Size;
  disabled?: boolean;
  /** Does it; then the dialog closes. What it throws is told in the dialog, where it can be mended. */
  onSave(): Promise<unknown>;
  onClose(): void;
  children: ReactNode;
}

/** The dialog in which something is made or changed. */
export function EditModal({ title, action = "Save", size, disabled, onSave, onClose, children }: Props) {
  const form = useId();
  const { run, busy, error } = useAction();

  async function save() {
    if (await run(onSave)) onClose();
  }

  return (
    <Modal
      visible
      header={title}
      size={size}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <SpaceBetween size="s">
          <Failure error={error} />
          <Box float="right">
            <SpaceBetween direction="horizontal" size="xs">
              <Button variant="link" onClick={onClose}>
                Cancel
              </Button>
              <Button variant="primary" form={form} loading={busy} disabled={disabled}>
                {action}
              </Button>
            </SpaceBetween>
          </Box>
        </SpaceBetween>
      }
    >
      <form
        id={form}
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled && !busy) void save();
        }}
      >
        <SpaceBetween size="m">{children}</SpaceBetween>
      </form>
    </Modal>
  );
}
