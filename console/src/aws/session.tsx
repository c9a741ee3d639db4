import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { createContext, useContext } from "react";

/** Who is signed in. Kept in the tab's session storage only: closing the tab signs out. */
export interface Session {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  account: string;
  arn: string;
  region: string;
}

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const KEY = "undercast.session";

export function loadSession(): Session | undefined {
  const stored = sessionStorage.getItem(KEY);
  return stored ? (JSON.parse(stored) as Session) : undefined;
}

export function saveSession(session: Session | undefined): void {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}

/** Sign in: the keys are good when the cloud says whose they are. Throws AWS's error. */
export async function signIn(keys: Keys, region: string): Promise<Session> {
  const sts = new STSClient({ region, endpoint: location.origin, credentials: keys, maxAttempts: 1 });
  const identity = await sts.send(new GetCallerIdentityCommand({}));
  return { ...keys, region, account: identity.Account!, arn: identity.Arn! };
}

/** Exchange the token of the link that `undercast up` prints for keys. It works once. */
export async function redeem(token: string): Promise<{ keys: Keys; region: string }> {
  const answer = await fetch("/_undercast/signin", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (!answer.ok) throw new Error("This sign-in link was used before or has expired. Run `undercast console` for a new one.");
  const body = await answer.json();
  return {
    keys: { accessKeyId: body.AccessKeyId, secretAccessKey: body.SecretAccessKey, sessionToken: body.SessionToken },
    region: body.Region,
  };
}

export interface SessionContextValue {
  session: Session;
  setRegion(region: string): void;
  signOut(): void;
}

export const SessionContext = createContext<SessionContextValue | undefined>(undefined);

/** The session; only below the sign-in. */
export function useSession(): SessionContextValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("no session");
  return value;
}
