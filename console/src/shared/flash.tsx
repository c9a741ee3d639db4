import { Flashbar, type FlashbarProps } from "@cloudscape-design/components";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { awsError } from "../aws/errors";

interface Flash {
  success(content: ReactNode): void;
  info(content: ReactNode): void;
  failure(what: string, error: unknown): void;
  /** Run an action; tell its success, or AWS's code and message. Resolves to whether it succeeded. */
  attempt(what: { doing: string; done: ReactNode }, action: () => Promise<unknown>): Promise<boolean>;
}

const FlashContext = createContext<{ flash: Flash; items: FlashbarProps.MessageDefinition[] } | undefined>(undefined);

/** Keeps the banners at the top of every page. */
export function FlashProvider({ children }: { children: ReactNode }) {
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([]);
  const count = useRef(0);

  const add = useCallback((item: FlashbarProps.MessageDefinition) => {
    const id = `flash-${++count.current}`;
    const dismiss = () => setItems((old) => old.filter((one) => one.id !== id));
    setItems((old) => [{ dismissible: true, onDismiss: dismiss, dismissLabel: "Dismiss", id, ...item }, ...old].slice(0, 5));
  }, []);

  const flash = useMemo<Flash>(() => {
    const failure = (what: string, error: unknown) => {
      const { code, message } = awsError(error);
      add({ type: "error", header: what, content: `${code}: ${message}` });
    };
    return {
      success: (content) => add({ type: "success", content }),
      info: (content) => add({ type: "info", content }),
      failure,
      attempt: async ({ doing, done }, action) => {
        try {
          await action();
          add({ type: "success", content: done });
          return true;
        } catch (error) {
          failure(`Failed to ${doing}`, error);
          return false;
        }
      },
    };
  }, [add]);

  return <FlashContext.Provider value={{ flash, items }}>{children}</FlashContext.Provider>;
}

export function useFlash(): Flash {
  return useContext(FlashContext)!.flash;
}

/** The banners. Where they do not stay in view (on a phone), a failure brings the page back to them. */
export function Flashes() {
  const { items } = useContext(FlashContext)!;
  const place = useRef<HTMLDivElement>(null);
  const newest = items[0];

  useEffect(() => {
    if (newest?.type === "error" && place.current!.getBoundingClientRect().top < 0) scrollTo({ top: 0 });
  }, [newest?.id]);

  return (
    <div ref={place}>
      <Flashbar items={items} stackItems />
    </div>
  );
}
