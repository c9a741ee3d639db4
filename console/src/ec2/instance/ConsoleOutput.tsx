import { EC2Client, GetConsoleOutputCommand } from "@aws-sdk/client-ec2";
import { useClient } from "../../aws/clients";
import { useLive } from "../../aws/useLive";
import { Loaded } from "../../shared/details";

/** What the instance printed on its console. */
export function ConsoleOutput({ id }: { id: string }) {
  const ec2 = useClient(EC2Client);
  const live = useLive(
    async () => {
      const answer = await ec2.send(new GetConsoleOutputCommand({ InstanceId: id, Latest: true }));
      return answer.Output ? new TextDecoder().decode(Uint8Array.from(atob(answer.Output), (letter) => letter.charCodeAt(0))) : "";
    },
    [ec2, id],
    10_000,
  );
  return (
    <Loaded live={live}>
      {(text) => (
        <pre tabIndex={0} aria-label="System log" style={{ maxHeight: "65vh", overflow: "auto", fontSize: 12 }}>
          {text || "The console is empty."}
        </pre>
      )}
    </Loaded>
  );
}
