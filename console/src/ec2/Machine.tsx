import { Alert, Container, Header, ProgressBar, ColumnLayout } from "@cloudscape-design/components";
import { useSession } from "../aws/session";
import { signedHeaders } from "../aws/signed";
import { useLive } from "../aws/useLive";
import { bytes, Details, Loaded } from "../shared/details";

interface Capacity {
  Available: boolean;
  Reason?: string;
  Instances: number;
  Vcpus: number;
  MemoryMiB: number;
  MemoryFreeMiB: number;
  DiskBytes: number;
  DiskFreeBytes: number;
  Gpus: string[];
}

const MIB = 1024 ** 2;

/** What the machine has left for instances: AWS sells what it has, here it can be seen. */
export function Machine() {
  const { session } = useSession();
  const live = useLive(
    async (): Promise<Capacity> => {
      const url = new URL("/_undercast/capacity", location.origin);
      const answer = await fetch(url, { headers: await signedHeaders(session, "undercast", url) });
      const told = await answer.json();
      if (!answer.ok) throw Object.assign(new Error(told.message), { name: told.code ?? "Error" });
      return told as Capacity;
    },
    [session],
    5_000,
  );
  return (
    <Container header={<Header variant="h2" description="All instances of all accounts share it.">This machine</Header>}>
      <Loaded live={live}>
        {(has) =>
          has.Available ? (
            <ColumnLayout columns={3} variant="text-grid">
              <Left label="Memory" free={has.MemoryFreeMiB * MIB} total={has.MemoryMiB * MIB} />
              <Left label="Disk" free={has.DiskFreeBytes} total={has.DiskBytes} />
              <Details
                columns={1}
                items={[
                  ["Processors", `${has.Vcpus} vCPUs, shared by ${has.Instances} running instances`],
                  ["GPUs", has.Gpus.join(", ") || "None"],
                ]}
              />
            </ColumnLayout>
          ) : (
            <Alert type="warning">{has.Reason}</Alert>
          )
        }
      </Loaded>
    </Container>
  );
}

function Left({ label, free, total }: { label: string; free: number; total: number }) {
  return <ProgressBar label={label} value={total ? Math.round((100 * (total - free)) / total) : 0} additionalInfo={`${bytes(free)} of ${bytes(total)} left`} />;
}
