import { Button } from "@cloudscape-design/components";
import { type ReactNode, useState } from "react";
import { ConfirmModal } from "./ConfirmModal";
import { useFlash } from "./flash";
import { plural } from "./words";

interface Props<T> {
  items: T[];
  /** "function" */
  noun: string;
  /** What people call one of them. */
  name(item: T): string;
  /** The button. Default: "Delete". */
  action?: string;
  /** What the banner says was done. Default: "deleted". */
  done?: string;
  /** A word to be typed first. */
  typed?: string;
  disabled?: boolean;
  remove(item: T): Promise<unknown>;
  /** After it, also when it failed midway. */
  onChanged(): Promise<unknown>;
  /** What goes with them, and what stays. */
  children: ReactNode;
}

/** The button that deletes what is selected, and the question before it. */
export function RemoveButton<T>({ items, noun, name, action = "Delete", done = "deleted", typed, disabled, remove, onChanged, children }: Props<T>) {
  const flash = useFlash();
  // What is asked about stays the same while the list behind the dialog goes on.
  const [asked, setAsked] = useState<T[]>();
  const names = (asked ?? []).map(name).join(", ");

  async function confirm() {
    try {
      for (const item of asked!) await remove(item);
      flash.success(`Successfully ${done} ${names}.`);
    } finally {
      await onChanged();
    }
  }

  return (
    <>
      <Button disabled={disabled || !items.length} onClick={() => setAsked(items)}>
        {action}
      </Button>
      {asked && (
        <ConfirmModal title={`${action} ${asked.length === 1 ? noun : `${asked.length} ${plural(noun)}`}?`} action={action} typed={typed} onClose={() => setAsked(undefined)} onConfirm={confirm}>
          <p style={{ marginBlockStart: 0 }}>
            <b>{names}</b>
          </p>
          {children}
        </ConfirmModal>
      )}
    </>
  );
}
