import { Box } from "@cloudscape-design/components";
import { useEffect, useRef } from "react";

export interface LogLine {
  id: string;
  timestamp: number;
  message: string;
  stream?: string;
}

/** Log lines as they are in the log; stays at the end while new ones come in, unless scrolled away. */
export function LogLines({ lines, follow = false, height = 420 }: { lines: LogLine[]; follow?: boolean; height?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);

  useEffect(() => {
    if (follow && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow]);

  if (!lines.length)
    return (
      <Box color="text-body-secondary" textAlign="center" padding="l">
        No events
      </Box>
    );
  return (
    <div
      ref={box}
      role="log"
      aria-label="Log events"
      tabIndex={0}
      onScroll={({ currentTarget: it }) => {
        atEnd.current = it.scrollHeight - it.scrollTop - it.clientHeight < 40;
      }}
      style={{ maxHeight: height, overflow: "auto", fontFamily: "Menlo, Consolas, monospace", fontSize: 12, lineHeight: 1.6 }}
    >
      {lines.map((line) => (
        <div key={line.id} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          <time dateTime={new Date(line.timestamp).toISOString()} style={{ opacity: 0.75, marginInlineEnd: 12 }}>
            {new Date(line.timestamp).toISOString().replace("T", " ").slice(0, 23)}
          </time>
          {line.message.trimEnd()}
        </div>
      ))}
    </div>
  );
}
