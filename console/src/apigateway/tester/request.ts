import type { Session } from "../../aws/session";
import { signedHeaders } from "../../aws/signed";
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
  const headers = draft.sign ? await signedHeaders(session, "execute-api", url, { method: draft.method, headers: given, body }) : given;
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
