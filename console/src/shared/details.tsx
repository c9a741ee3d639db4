import { Box, CopyToClipboard, KeyValuePairs, Link, Spinner, StatusIndicator } from "@cloudscape-design/components";
import type { ReactNode } from "react";
import { useNavigate } from "react-router-dom";
import type { Live } from "../aws/useLive";
import { LiveFailure } from "./Failure";

/** Names and values of a thing, in columns; what is not there is a dash. */
export function Details({ items, columns = 3 }: { items: [string, ReactNode][]; columns?: number }) {
  return <KeyValuePairs columns={columns} items={items.map(([label, value]) => ({ label, value: value ?? "–" }))} />;
}

/** A text with a button that copies it. */
export function Copyable({ text }: { text: string | undefined }) {
  if (!text) return <>–</>;
  return (
    <Box variant="span">
      <CopyToClipboard variant="inline" textToCopy={text} copySuccessText="Copied" copyErrorText="Could not copy" copyButtonAriaLabel={`Copy ${text}`} />
    </Box>
  );
}

/** A link within the console. */
export function ToPage({ to, children }: { to: string; children: ReactNode }) {
  const navigate = useNavigate();
  return (
    <Link
      href={`/console${to}`}
      onFollow={(event) => {
        if (event.detail.external) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </Link>
  );
}

/** A link to an address outside of the console. */
export function ToSite({ url }: { url: string | undefined }) {
  return (
    <Link href={url} external externalIconAriaLabel="Opens in a new tab">
      {url}
    </Link>
  );
}

/** Shows a thing once it is there; while it loads, and when it fails, says so. */
export function Loaded<T>({ live, children }: { live: Live<T>; children(data: T): ReactNode }) {
  if (live.data !== undefined) return <>{children(live.data)}</>;
  if (live.error) return <LiveFailure live={live} />;
  return (
    <Box textAlign="center" padding="xl">
      <Spinner size="large" /> <Box variant="span">Loading</Box>
    </Box>
  );
}

/** A moment, as people of this browser read it. */
export function when(time: Date | string | number | undefined): string {
  if (time === undefined) return "–";
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Bytes as people read them. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return "–";
  const units = [count === 1 ? "byte" : "bytes", "kB", "MB", "GB", "TB"];
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), units.length - 1);
  return `${(count / 1000 ** power).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${units[power]}`;
}

export function Enabled({ on, yes = "Enabled", no = "Disabled" }: { on: boolean | undefined; yes?: string; no?: string }) {
  return <StatusIndicator type={on ? "success" : "stopped"}>{on ? yes : no}</StatusIndicator>;
}
