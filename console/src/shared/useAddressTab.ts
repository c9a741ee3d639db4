import { useSearchParams } from "react-router-dom";

/** The open tab of a page, kept in the address so that a link leads back to it. */
export function useAddressTab(first: string): [string, (tab: string) => void] {
  const [address, setAddress] = useSearchParams();
  return [
    address.get("tab") ?? first,
    (tab) =>
      setAddress(
        (old) => {
          old.set("tab", tab);
          return old;
        },
        { replace: true },
      ),
  ];
}
