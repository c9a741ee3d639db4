import { LambdaClient, paginateListFunctions } from "@aws-sdk/client-lambda";
import { Autosuggest, FormField } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";

interface Props {
  value: string;
  onChange(arn: string): void;
  label?: string;
  description?: string;
}

/** Choose a function by its ARN; one of an alias or a version can be typed. */
export function FunctionPicker({ value, onChange, label = "Lambda function", description = "Its ARN; add :ALIAS for an alias." }: Props) {
  const lambda = useClient(LambdaClient);
  const functions = useLive(() => allPages(paginateListFunctions({ client: lambda }, {}), (page) => page.Functions), [lambda], 30_000);
  return (
    <FormField label={label} description={description} stretch errorText={functions.error?.message}>
      <Autosuggest
        value={value}
        onChange={({ detail }) => onChange(detail.value)}
        options={(functions.data ?? []).map((one) => ({ value: one.FunctionArn!, label: one.FunctionName, description: one.FunctionArn }))}
        enteredTextLabel={(text) => `Use "${text}"`}
        placeholder="arn:aws:lambda:..."
        statusType={functions.loading ? "loading" : "finished"}
        loadingText="Loading functions"
        empty="There is no function yet"
      />
    </FormField>
  );
}
