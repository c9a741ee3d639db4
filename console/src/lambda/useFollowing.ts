import { useEffect } from "react";
import type { Live } from "../aws/useLive";
import type { FunctionView } from "./function";

/** Far apart: the function's own refresh is followed instead. */
export const FOLLOWING_MS = 3_600_000;

/** What belongs to a function is fetched again whenever the function is: every few seconds, and after a change. */
export function useFollowing<T>(view: FunctionView, live: Live<T>): Live<T> {
  useEffect(() => {
    if (!live.loading) void live.refresh();
  }, [view]);
  return live;
}
