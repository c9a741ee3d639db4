import { Sha256 } from "@aws-crypto/sha256-js";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Session } from "./session";

interface Options {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

function signer(session: Session, service: string): SignatureV4 {
  return new SignatureV4({ credentials: session, region: session.region, service, sha256: Sha256 });
}

function request(url: URL, { method = "GET", headers, body }: Options): HttpRequest {
  return new HttpRequest({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port) || undefined,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...headers, host: url.host },
    body,
  });
}

/** The headers of a request of one's own, signed for a service as the SDK signs its requests. */
export async function signedHeaders(session: Session, service: string, url: URL, options: Options = {}): Promise<Record<string, string>> {
  const signed = await signer(session, service).sign(request(url, options));
  const { host: _, ...rest } = signed.headers;
  return rest;
}

/** An address that carries its signature, good for a minute: for what takes no headers, as a WebSocket. */
export async function signedUrl(session: Session, service: string, url: URL): Promise<URL> {
  const signed = await signer(session, service).presign(request(url, {}), { expiresIn: 60 });
  const whole = new URL(url);
  whole.search = new URLSearchParams(signed.query as Record<string, string>).toString();
  return whole;
}
