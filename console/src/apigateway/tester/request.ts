import { Sha256 } from "@aws-crypto/sha256-js";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Session } from "../../aws/session";
import type { Pair } from "../../shared/Pairs";

/** A request as it is put together in the tester. */
export interface Draft {
  method: string;
  /** "$default" or a stage's name. */
  stage: string;
  path: string;
  query: Pair[];
  headers: Pair[];
  body: string;
  /** Sign it with the keys of the session, for routes with IAM authorization. */
  sign: boolean;
}

export interface Answer {
  status: number;
  statusText: string;
  headers: Pair[];
  body: string;
  milliseconds: number;
}

/** The address under the console's own origin: no CORS configuration is needed to test an API. */
export function address(apiId: string, draft: Draft): string {
  const stage = draft.stage === "$default" ? "" : `/${draft.stage}`;
  const path = draft.path.startsWith("/") ? draft.path : `/${draft.path}`;
  const query = new URLSearchParams(draft.query.filter(([name]) => name)).toString();
  return `/_aws/execute-api/${apiId}${stage}${path}${query && `?${query}`}`;
}

/** Send it and read the whole answer. Throws what `fetch` throws. */
export async function send(apiId: string, draft: Draft, session: Session): Promise<Answer> {
  const url = new URL(address(apiId, draft), location.origin);
  const body = ["GET", "HEAD"].includes(draft.method) ? undefined : draft.body;
  const given = Object.fromEntries(draft.headers.filter(([name]) => name));
  const headers = draft.sign ? await signed(url, draft.method, given, body, session) : given;
  const began = performance.now();
  const answer = await fetch(url, { method: draft.method, headers, body, redirect: "manual", cache: "no-store", credentials: "omit" });
  const text = await answer.text();
  return {
    status: answer.status,
    statusText: answer.type === "opaqueredirect" ? "Redirect: the browser hides its status and headers" : answer.statusText,
    headers: [...answer.headers],
    body: text,
    milliseconds: performance.now() - began,
  };
}

async function signed(url: URL, method: string, headers: Record<string, string>, body: string | undefined, session: Session): Promise<Record<string, string>> {
  const signer = new SignatureV4({ credentials: session, region: session.region, service: "execute-api", sha256: Sha256 });
  const request = await signer.sign(
    new HttpRequest({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      port: Number(url.port) || undefined,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...headers, host: url.host },
      body,
    }),
  );
  const { host: _, ...rest } = request.headers;
  return rest;
}
