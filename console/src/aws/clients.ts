import { useMemo } from "react";
import { type Session, useSession } from "./session";

/** What every client of the AWS SDK takes. */
export interface ClientConfig {
  region: string;
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  maxAttempts: number;
  disableHostPrefix: boolean;
}

export function clientConfig(session: Session): ClientConfig {
  return {
    region: session.region,
    endpoint: location.origin,
    credentials: {
      accessKeyId: session.accessKeyId,
      secretAccessKey: session.secretAccessKey,
      sessionToken: session.sessionToken,
    },
    maxAttempts: 2,
    disableHostPrefix: true,
  };
}

/**
 * A client of the AWS SDK for the signed-in session: `const lambda = useClient(LambdaClient)`.
 * Made anew when the region changes.
 */
export function useClient<C>(Client: new (config: ClientConfig) => C): C {
  const { session } = useSession();
  return useMemo(() => new Client(clientConfig(session)), [Client, session]);
}
