import { useState } from "react";

export interface Action {
  /** Do it; what it throws is kept in `error`. Resolves to whether it succeeded. */
  run(action: () => Promise<unknown>): Promise<boolean>;
  busy: boolean;
  error: unknown;
}

/** What a button does: whether it is being done, and why it failed the last time. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  async function run(action: () => Promise<unknown>): Promise<boolean> {
    setBusy(true);
    setError(undefined);
    try {
      await action();
      return true;
    } catch (thrown) {
      setError(thrown);
      return false;
    } finally {
      setBusy(false);
    }
  }

  return { run, busy, error };
}
