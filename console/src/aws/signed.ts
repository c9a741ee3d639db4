import { Sha256 } from "@aws-crypto/sha256-js";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Session } from "./session";

interface Options {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** The headers of a request of one's own, signed for a service as the SDK signs its requests. */
export async function signedHeaders(session: Session, service: string, url: URL, options: Options = {}): Promise<Record<string, string>> {
  const signer = new SignatureV4({ credentials: session, region: session.region, service, sha256: Sha256 });
  const request = await signer.sign(
    new HttpRequest({
      method: options.method ?? "GET",
      protocol: url.protocol,
      hostname: url.hostname,
      port: Number(url.port) || undefined,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...options.headers, host: url.host },
      body: options.body,
    }),
  );
  const { host: _, ...rest } = request.headers;
  return rest;
}
