import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeKeyPairsCommand,
  EC2Client,
  paginateDescribeSecurityGroups,
  paginateDescribeSubnets,
  RunInstancesCommand,
  type RunInstancesCommandOutput,
} from "@aws-sdk/client-ec2";
import { Alert, Box, Button, ColumnLayout, Container, CopyToClipboard, ExpandableSection, Form, Grid, Header, SpaceBetween } from "@cloudscape-design/components";
import { useEffect, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router-dom";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { Details } from "../../shared/details";
import { Failure } from "../../shared/Failure";
import { useFlash } from "../../shared/flash";
import { useAction } from "../../shared/useAction";
import { useInstanceTypes } from "../InstanceTypePicker";
import { gib } from "../parts";
import { emptyDraft, permissionOf } from "../security/rules";
import { useMyAddress } from "../security/useMyAddress";
import { AdvancedSection } from "./AdvancedSection";
import { ImageSection } from "./ImageSection";
import { KeyPairSection } from "./KeyPairSection";
import { NameSection } from "./NameSection";
import { NetworkSection } from "./NetworkSection";
import { commands, freeGroupName, groupDescription, newPlan, type Plan, runInstances } from "./plan";
import { StorageSection } from "./StorageSection";
import { TypeSection } from "./TypeSection";

/** Launch instances: one page with its sections, and a summary beside them. */
export default function LaunchInstance() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [address] = useSearchParams();
  const [plan, setPlan] = useState<Plan>(() => ({ ...newPlan(), imageId: address.get("image") ?? undefined, spot: address.get("spot") === "yes" }));
  const { run, busy, error } = useAction();
  const [missed, setMissed] = useState(false);
  const keyPlace = useRef<HTMLDivElement>(null);
  const mine = useMyAddress();
  const images = useLive(async () => (await ec2.send(new DescribeImagesCommand({}))).Images ?? [], [ec2], 60_000);
  const types = useInstanceTypes();
  const keys = useLive(async () => (await ec2.send(new DescribeKeyPairsCommand({}))).KeyPairs ?? [], [ec2], 15_000);
  const groups = useLive(() => allPages(paginateDescribeSecurityGroups({ client: ec2 }, {}), (page) => page.SecurityGroups), [ec2], 30_000);
  const subnets = useLive(() => allPages(paginateDescribeSubnets({ client: ec2 }, {}), (page) => page.Subnets), [ec2], 60_000);

  const change = (changes: Partial<Plan>) => setPlan((old) => ({ ...old, ...changes }));
  const image = images.data?.find((one) => one.ImageId === plan.imageId);
  const type = types.data?.find((one) => one.InstanceType === plan.instanceType);

  // The first image of the catalogue is chosen until another one is.
  useEffect(() => {
    if (!plan.imageId && images.data?.length) change({ imageId: images.data[0].ImageId });
  }, [images.data, plan.imageId]);
  useEffect(() => {
    if (image?.RootDeviceName) change({ rootDevice: image.RootDeviceName });
  }, [image?.RootDeviceName]);

  // SSH from here is let in, and the group has a name, until it is chosen otherwise.
  useEffect(() => {
    if (mine) setPlan((old) => (old.rules.length ? old : { ...old, rules: [{ ...emptyDraft("ssh"), sourceKind: "mine", source: `${mine}/32` }] }));
  }, [mine]);
  useEffect(() => {
    if (groups.data && !plan.groupName) change({ groupName: freeGroupName(groups.data) });
  }, [groups.data]);

  async function createGroup(): Promise<string> {
    const VpcId = subnets.data?.find((one) => one.SubnetId === plan.subnetId)?.VpcId;
    const made = await ec2.send(new CreateSecurityGroupCommand({ GroupName: plan.groupName, Description: groupDescription(plan), VpcId }));
    return made.GroupId!;
  }

  async function launch() {
    const made = plan.groups === "new" ? await createGroup() : undefined;
    let launched: RunInstancesCommandOutput;
    try {
      if (made && plan.rules.length) await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: made, IpPermissions: plan.rules.map(permissionOf) }));
      launched = await ec2.send(new RunInstancesCommand(runInstances(plan, made ? [made] : plan.groupIds)));
    } catch (refused) {
      // The group was for these instances alone.
      if (made) await ec2.send(new DeleteSecurityGroupCommand({ GroupId: made }));
      throw refused;
    }
    const ids = launched.Instances?.map((one) => one.InstanceId!) ?? [];
    flash.success(`Successfully initiated launch of instance (${ids.join(", ")})`);
    navigate(ids.length === 1 ? `/ec2/instances/${ids[0]}` : "/ec2/instances");
  }

  /** As on AWS, no key pair is a choice too: one that is made, not missed. */
  function choose() {
    setMissed(plan.keyName === undefined);
    if (plan.keyName === undefined) keyPlace.current?.scrollIntoView({ block: "center" });
    else void run(launch);
  }

  const section = { plan, change };
  return (
    <Form header={<Header variant="h1" description="Create virtual machines that run on this cloud.">Launch an instance</Header>}>
      <Grid gridDefinition={[{ colspan: { default: 12, m: 8 } }, { colspan: { default: 12, m: 4 } }]}>
        <SpaceBetween size="l">
          <NameSection {...section} />
          <ImageSection {...section} images={images} />
          <TypeSection {...section} types={types} />
          <div ref={keyPlace}>
            <KeyPairSection {...section} keys={keys} missed={missed} />
          </div>
          <NetworkSection {...section} groups={groups} subnets={subnets} mine={mine} />
          <StorageSection {...section} />
          <AdvancedSection {...section} />
        </SpaceBetween>
        <div style={{ position: "sticky", top: 80 }}>
          <Container header={<Header variant="h2">Summary</Header>}>
            <SpaceBetween size="m">
              <Details
                columns={1}
                items={[
                  ["Number of instances", plan.count],
                  ["Software image (AMI)", image?.Name ?? plan.imageId],
                  ["Virtual server type", type ? `${plan.instanceType}: ${type.VCpuInfo?.DefaultVCpus} vCPU, ${gib(type)} GiB` : plan.instanceType],
                  ["Firewall (security group)", plan.groups === "new" ? "New security group" : plan.groupIds.join(", ")],
                  ["Storage (volumes)", `${plan.disks.length} ${plan.disks.length === 1 ? "volume" : "volumes"} - ${plan.disks.reduce((sum, disk) => sum + Number(disk.gib), 0)} GiB`],
                ]}
              />
              {plan.keyName === "" && <Alert type="warning">Without a key pair nobody can log in with SSH.</Alert>}
              <Failure error={error} />
              <ColumnLayout columns={1}>
                <Button variant="primary" fullWidth loading={busy} disabled={!plan.imageId || (plan.groups === "existing" && !plan.groupIds.length)} onClick={choose}>
                  Launch instance
                </Button>
                <Button variant="link" fullWidth onClick={() => navigate("/ec2/instances")}>
                  Cancel
                </Button>
              </ColumnLayout>
              <ExpandableSection headerText="Preview code">
                <Box variant="code">
                  <pre tabIndex={0} aria-label="Equivalent aws commands" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", margin: 0 }}>
                    {commands(plan)}
                  </pre>
                </Box>
                <CopyToClipboard textToCopy={commands(plan)} copyButtonText="Copy" copySuccessText="Copied" copyErrorText="Could not copy" />
              </ExpandableSection>
            </SpaceBetween>
          </Container>
        </div>
      </Grid>
    </Form>
  );
}
