import { Alert, Button } from "@cloudscape-design/components";
import { Component, type ReactNode } from "react";

interface Props {
  children: ReactNode;
}

/** Shows what went wrong within a page instead of an empty one; the rest of the console stays usable. */
export class PageErrors extends Component<Props, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Alert type="error" header="This page could not be shown" action={<Button onClick={() => location.reload()}>Reload</Button>}>
        {error.name}: {error.message}
      </Alert>
    );
  }
}
