import { Sha256 } from "@aws-crypto/sha256-js";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Xterm } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef } from "react";
import { useSession } from "../../aws/session";
import type { Session } from "../../aws/session";

interface Props {
  instanceId: string;
  user: string;
  onClosed(reason: string): void;
}

/** A terminal on an instance: bytes go both ways over one WebSocket, signed like every other request. */
export function Terminal({ instanceId, user, onClosed }: Props) {
  const { session } = useSession();
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const terminal = new Xterm({ fontSize: 13, cursorBlink: true, screenReaderMode: true });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(place.current!);
    fit.fit();
    terminal.focus();
    let socket: WebSocket | undefined;
    let gone = false;

    void signedUrl(session, { instance: instanceId, user, cols: String(terminal.cols), rows: String(terminal.rows) }).then((url) => {
      if (gone) return;
      socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => terminal.write(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      socket.onclose = ({ reason }) => {
        const told = reason || "The connection was closed.";
        terminal.write(`\r\n\x1b[33m${told}\x1b[0m\r\n`);
        onClosed(told);
      };
    });
    terminal.onData((text) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(text));
    });
    terminal.onResize(({ cols, rows }) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ resize: [cols, rows] }));
    });
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(place.current!);
    return () => {
      gone = true;
      observer.disconnect();
      socket?.close();
      terminal.dispose();
    };
  }, [instanceId, user]);

  return <div ref={place} aria-label={`Terminal of ${instanceId}`} role="application" style={{ height: "60vh", background: "#000", padding: 8, borderRadius: 8 }} />;
}

async function signedUrl(session: Session, query: Record<string, string>): Promise<string> {
  const signer = new SignatureV4({
    credentials: { accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey, sessionToken: session.sessionToken },
    region: session.region,
    service: "ec2-instance-connect",
    sha256: Sha256,
  });
  const signed = await signer.presign(
    new HttpRequest({ method: "GET", protocol: location.protocol, hostname: location.hostname, port: Number(location.port) || undefined, path: "/_undercast/terminal", query, headers: { host: location.host } }),
    { expiresIn: 60 },
  );
  const parameters = new URLSearchParams(signed.query as Record<string, string>);
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/_undercast/terminal?${parameters}`;
}
