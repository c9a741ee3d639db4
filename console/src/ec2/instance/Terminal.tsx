import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Xterm } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef } from "react";
import { useSession } from "../../aws/session";
import { signedUrl } from "../../aws/signed";

interface Props {
  instanceId: string;
  user: string;
  /** Read out what is printed. What is typed by an input method (emoji, dictation) does not arrive then. */
  readAloud: boolean;
  /** The session ended, or could not begin; why is told on the screen. */
  onClosed(): void;
}

/** A terminal on an instance: bytes go both ways over one WebSocket, signed like every other request. */
export function Terminal({ instanceId, user, readAloud, onClosed }: Props) {
  const { session } = useSession();
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Xterm>();

  useEffect(() => {
    const terminal = new Xterm({ fontSize: 13, cursorBlink: true });
    screen.current = terminal;
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(place.current!);
    fit.fit();
    terminal.focus();
    let socket: WebSocket | undefined;
    let gone = false;

    const address = new URL("/_undercast/terminal", location.origin);
    address.search = new URLSearchParams({ instance: instanceId, user, cols: String(terminal.cols), rows: String(terminal.rows) }).toString();
    void signedUrl(session, "ec2-instance-connect", address).then((url) => {
      if (gone) return;
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => terminal.write(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      socket.onclose = ({ reason }) => {
        if (gone) return;
        terminal.write(`\r\n\x1b[33m${reason || "The connection was closed."}\x1b[0m\r\n`);
        onClosed();
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

  useEffect(() => {
    screen.current!.options.screenReaderMode = readAloud;
  }, [readAloud]);

  return <div ref={place} aria-label={`Terminal of ${instanceId}`} role="application" style={{ height: "60vh", background: "#000", padding: 8, borderRadius: 8 }} />;
}
