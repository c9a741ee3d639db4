import { FileUpload, FormField } from "@cloudscape-design/components";

interface Props {
  label: string;
  description?: string;
  /** ".zip" */
  accept: string;
  files: File[];
  onChange(files: File[]): void;
}

/** Choose a file, or drop it here. */
export function FilePicker({ label, description, accept, files, onChange }: Props) {
  return (
    <FormField label={label} description={description}>
      <FileUpload
        value={files}
        accept={accept}
        onChange={({ detail }) => onChange(detail.value)}
        showFileSize
        i18nStrings={{
          uploadButtonText: () => "Choose file",
          dropzoneText: () => "Drop file to upload",
          removeFileAriaLabel: () => "Remove file",
          limitShowFewer: "Show fewer files",
          limitShowMore: "Show more files",
          errorIconAriaLabel: "Error",
        }}
      />
    </FormField>
  );
}
