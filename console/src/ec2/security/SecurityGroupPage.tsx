import { DescribeSecurityGroupsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { Container, Header, SpaceBetween } from "@cloudscape-design/components";
import { useParams } from "react-router-dom";
import { useClient } from "../../aws/clients";
import { useLive } from "../../aws/useLive";
import { Copyable, Details, Loaded } from "../../shared/details";
import { ResourceTags } from "../ResourceTags";
import { RulesEditor } from "./RulesEditor";

/** One security group with its rules. */
export function SecurityGroupPage() {
  const id = useParams().id!;
  const ec2 = useClient(EC2Client);
  const live = useLive(async () => (await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] }))).SecurityGroups![0], [ec2, id]);
  return (
    <Loaded live={live}>
      {(group) => (
        <SpaceBetween size="l">
          <Header variant="h1">
            {id} - {group.GroupName}
          </Header>
          <Container header={<Header variant="h2">Details</Header>}>
            <Details
              items={[
                ["Security group name", group.GroupName],
                ["Security group ID", <Copyable text={group.GroupId} />],
                ["Description", group.Description],
                ["VPC ID", group.VpcId],
                ["Owner", group.OwnerId],
              ]}
            />
          </Container>
          <RulesEditor groupId={id} egress={false} title="Inbound rules" />
          <RulesEditor groupId={id} egress title="Outbound rules" />
          <ResourceTags id={id} tags={group.Tags ?? []} onChanged={live.refresh} />
        </SpaceBetween>
      )}
    </Loaded>
  );
}
