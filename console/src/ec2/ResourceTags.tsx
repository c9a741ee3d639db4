import { CreateTagsCommand, DeleteTagsCommand, EC2Client, type Tag } from "@aws-sdk/client-ec2";
import { useClient } from "../aws/clients";
import { TagsPanel } from "../shared/TagsPanel";

/** Tags of any EC2 resource. */
export function ResourceTags({ id, tags, onChanged }: { id: string; tags: Tag[]; onChanged(): Promise<void> }) {
  const ec2 = useClient(EC2Client);
  return (
    <TagsPanel
      tags={tags.map((tag) => [tag.Key ?? "", tag.Value ?? ""])}
      onChanged={onChanged}
      onSave={async (wanted, gone) => {
        if (gone.length) await ec2.send(new DeleteTagsCommand({ Resources: [id], Tags: gone.map((Key) => ({ Key })) }));
        if (wanted.length) await ec2.send(new CreateTagsCommand({ Resources: [id], Tags: wanted.map(([Key, Value]) => ({ Key, Value })) }));
      }}
    />
  );
}
