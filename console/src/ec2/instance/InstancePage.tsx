import { Button, Header, SpaceBetween } from "@cloudscape-design/components";
import { useNavigate, useParams } from "react-router-dom";
import { Loaded } from "../../shared/details";
import { nameOf } from "../parts";
import { useInstances } from "../useInstances";
import { InstanceActions } from "./InstanceActions";
import { InstanceSummary, InstanceTabs } from "./InstanceTabs";

/** One instance. */
export function InstancePage() {
  const id = useParams().id!;
  const live = useInstances([id]);
  const navigate = useNavigate();
  return (
    <Loaded live={live}>
      {([instance]) => (
        <SpaceBetween size="l">
          <Header
            variant="h1"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button disabled={instance.State?.Name !== "running"} onClick={() => navigate(`/ec2/instances/${id}/connect`)}>
                  Connect
                </Button>
                <InstanceActions instances={[instance]} onChanged={live.refresh} />
              </SpaceBetween>
            }
          >
            Instance summary for {id} {nameOf(instance) && `(${nameOf(instance)})`}
          </Header>
          <InstanceSummary instance={instance} />
          <InstanceTabs instance={instance} onChanged={live.refresh} />
        </SpaceBetween>
      )}
    </Loaded>
  );
}
