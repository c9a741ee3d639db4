import { useState } from "react";
import { loadSession, saveSession, type Session, SessionContext } from "../aws/session";
import { FlashProvider } from "../shared/flash";
import { Shell } from "./Shell";
import { SignIn } from "./SignIn";

/** Sign-in, or the console of the one who is signed in. */
export function App() {
  const [session, setSession] = useState(loadSession);

  function keep(changed: Session | undefined) {
    saveSession(changed);
    setSession(changed);
  }

  if (!session) return <SignIn onSignedIn={keep} />;
  return (
    <SessionContext.Provider
      value={{ session, setRegion: (region) => keep({ ...session, region }), signOut: () => keep(undefined) }}
    >
      <FlashProvider>
        <Shell />
      </FlashProvider>
    </SessionContext.Provider>
  );
}
