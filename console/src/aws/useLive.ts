import { useCallback, useEffect, useRef, useState } from "react";
import { awsError } from "./errors";

export interface Live<T> {
  data: T | undefined;
  error: { code: string; message: string } | undefined;
  /** True until the first answer. */
  loading: boolean;
  /** Fetch now; resolves when the answer is shown. */
  refresh(): Promise<void>;
}

/**
 * Data that stays fresh: fetched now, when `dependencies` change, and again every `everyMs` while the tab is
 * visible. What is shown stays while a later fetch fails; the failure is told beside it.
 */
export function useLive<T>(fetcher: () => Promise<T>, dependencies: unknown[], everyMs = 5000): Live<T> {
  const [state, setState] = useState<{ data?: T; error?: Live<T>["error"]; loading: boolean }>({ loading: true });
  const latest = useRef(0);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const fetchNow = useCallback(async () => {
    const turn = ++latest.current;
    try {
      const data = await fetcher();
      if (turn === latest.current) setState({ data, loading: false });
    } catch (error) {
      if (turn === latest.current) setState((old) => ({ data: old.data, error: awsError(error), loading: false }));
    }
  }, dependencies);

  useEffect(() => {
    setState({ loading: true });
    void fetchNow();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void fetchNow();
    }, everyMs);
    return () => {
      latest.current++;
      clearInterval(timer);
    };
  }, [fetchNow, everyMs]);

  return { data: state.data, error: state.error, loading: state.loading, refresh: fetchNow };
}

/** All pages of a listing operation. */
export async function allPages<P, I>(pages: AsyncIterable<P>, items: (page: P) => I[] | undefined): Promise<I[]> {
  const all: I[] = [];
  for await (const page of pages) all.push(...(items(page) ?? []));
  return all;
}
