import { useEffect, useState } from "react";

/** The address this browser has to instances: what "My IP" means. The server tells it. */
export function useMyAddress(): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    let here = true;
    void fetch("/_undercast/my-address")
      .then((answer) => (answer.ok ? answer.json() : undefined))
      .then((told: { address?: string } | undefined) => here && setAddress(told?.address))
      .catch(() => undefined);
    return () => {
      here = false;
    };
  }, []);
  return address;
}
